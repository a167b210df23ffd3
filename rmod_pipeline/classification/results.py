"""The answer of a classifier to one sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.labels import leaf_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassGuess:
    """One class that a sound may belong to."""

    kind: str
    """A class of the taxonomy, such as hihat."""
    subkind: str
    """A part of the class, such as open; empty if the class has none, or if it is not clear."""
    confidence: float
    """Calibrated probability of the class, 0..1."""

    @property
    def name(self) -> str:
        """Class and subkind in one word: ``hihat/open``."""
        return leaf_name(self.kind, self.subkind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What a classifier hears in one sound."""

    guesses: tuple[ClassGuess, ...]
    """All classes, the most probable first."""
    is_certain: bool
    """Whether the first guess is above the calibrated threshold. If not, the classifier abstains."""
    embedding: NDArray[np.float32]
    """[dimensions], of length 1: similar sounds have similar vectors."""

    @property
    def best(self) -> ClassGuess:
        """The most probable class, whether certain or not."""
        return self.guesses[0]

    @property
    def second(self) -> ClassGuess:
        """The second guess."""
        return self.guesses[1]

    @property
    def kind(self) -> str:
        """The class; empty if the classifier abstains."""
        return self.best.kind if self.is_certain else ""
