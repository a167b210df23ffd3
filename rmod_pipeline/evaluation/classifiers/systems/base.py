"""What all systems share: the protocol, and inputs that refuse to give test sounds to what learns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.folds import Fold

if TYPE_CHECKING:
    from rmod_pipeline.evaluation.classifiers.systems.networks import FoldNetwork


class LeakError(RuntimeError):
    """Something that learns has asked for a test sound. It is a defect of the system, not of the input."""


class ClassifierSystem(Protocol):
    """A classifier that is fitted on the training sounds of a fold, and answers its test sounds."""

    def fit(self, fold: Fold) -> None:
        """Learn from ``fold.train`` and ``fold.valid``. A read of any other sound raises LeakError."""

    def probabilities(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of classes [n, classes] for sounds, given by index."""


class TestGuard:
    """Guards the test sounds of a fold: they can be read only inside ``answering``."""

    __test__ = False  # pytest takes classes of such names for tests

    def __init__(self, test: Sequence[int]) -> None:
        self._test, self._is_answering = frozenset(test), False

    def check(self, indices: Sequence[int]) -> None:
        """Raise LeakError if a test sound is among the sounds that are read to learn."""
        if not self._is_answering and not self._test.isdisjoint(map(int, indices)):
            raise LeakError(
                f"a system has read test sounds to learn: {sorted(self._test & set(map(int, indices)))[:5]}"
            )

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Allow test sounds to be read, because everything has learned."""
        self._is_answering = True
        try:
            yield
        finally:
            self._is_answering = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedVectors:
    """A vector per sound."""

    vectors: NDArray[np.float32]
    """[sounds, dimensions]"""
    guard: TestGuard

    def read(self, indices: Sequence[int]) -> NDArray[np.float32]:
        """Return the vectors [n, dimensions] of sounds. Raises LeakError."""
        self.guard.check(indices)
        return self.vectors[list(indices)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedLabels:
    """The class of each sound."""

    truth: NDArray[np.int64]
    """[sounds]: indices of classes."""
    classes: int
    """Number of classes."""
    guard: TestGuard

    def read(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the classes [n] of sounds. Raises LeakError."""
        self.guard.check(indices)
        return self.truth[list(indices)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldInputs:
    """All that the systems of one fold may read."""

    labels: GuardedLabels
    hand_made: GuardedVectors
    yamnet: GuardedVectors | None = None
    network: FoldNetwork | None = None

    def require_yamnet(self) -> GuardedVectors:
        """Return the vectors of YAMNet. Raises ValueError if they were not computed."""
        if self.yamnet is None:
            raise ValueError("the vectors of YAMNet were not computed")
        return self.yamnet

    def require_network(self) -> FoldNetwork:
        """Return the network of the fold. Raises ValueError if there is none."""
        if self.network is None:
            raise ValueError("the fold has no network")
        return self.network
