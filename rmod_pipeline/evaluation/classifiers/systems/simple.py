"""A system that hears nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.folds import Fold
from rmod_pipeline.evaluation.classifiers.systems.base import FoldInputs


class MajorityClass:
    """Answers the frequencies of classes among the training sounds, so always the most frequent class."""

    def __init__(self, inputs: FoldInputs) -> None:
        self._labels = inputs.labels
        self._shares = np.zeros(inputs.labels.classes)

    def fit(self, fold: Fold) -> None:
        """Count the classes."""
        counts = np.bincount(self._labels.read([*fold.train, *fold.valid]), minlength=self._labels.classes)
        self._shares = counts / counts.sum()

    def probabilities(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the same frequencies for every sound: [n, classes]."""
        return np.tile(self._shares, (len(indices), 1))
