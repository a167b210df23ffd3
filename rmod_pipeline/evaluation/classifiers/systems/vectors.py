"""The most frequent class, and systems of scikit-learn over a vector per sound."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.folds import Fold
from rmod_pipeline.evaluation.classifiers.systems.base import FoldInputs, GuardedLabels, GuardedVectors

SEED = 0
TREES = 500
BOOSTS = 150
STRENGTHS = (0.001, 0.003, 0.01, 0.03, 0.1)
"""Strengths of the logistic regression (C of scikit-learn) from which the validation sounds choose."""


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


class VectorSystem:
    """An estimator of scikit-learn, fitted on the training and validation sounds of a fold."""

    def __init__(self, vectors: GuardedVectors, labels: GuardedLabels) -> None:
        self._vectors, self._labels = vectors, labels
        self._estimator: Any = None

    def make_estimator(self) -> Any:
        """Return a new estimator."""
        raise NotImplementedError

    def fit(self, fold: Fold) -> None:
        """Fit the estimator. It has nothing to select, so it learns from the validation sounds too."""
        self._estimator = self.fit_estimator(self.make_estimator(), [*fold.train, *fold.valid])

    def fit_estimator(self, estimator: Any, indices: Sequence[int]) -> Any:
        """Return an estimator, fitted on sounds."""
        return estimator.fit(self._vectors.read(indices), self._labels.read(indices))

    def probabilities(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities [n, classes]; 0 for a class that no training sound has."""
        return self.expand(self._estimator, indices)

    def expand(self, estimator: Any, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities of an estimator for all classes."""
        expanded = np.zeros((len(indices), self._labels.classes))
        if len(indices):
            expanded[:, estimator.classes_] = estimator.predict_proba(self._vectors.read(indices))
        return expanded


class RandomForest(VectorSystem):
    """A random forest: Breiman (2001)."""

    def make_estimator(self) -> Any:
        """Return a forest; errors of rare classes weigh more."""
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(TREES, class_weight="balanced_subsample", random_state=SEED, n_jobs=1)


class AdaBoost(VectorSystem):
    """AdaBoost with small trees, for several classes: Zhu et al. (2009), SAMME."""

    def make_estimator(self) -> Any:
        """Return the ensemble; its trees ask four questions in a row."""
        from sklearn.ensemble import AdaBoostClassifier
        from sklearn.tree import DecisionTreeClassifier

        tree = DecisionTreeClassifier(max_depth=4, random_state=SEED)
        return AdaBoostClassifier(tree, n_estimators=BOOSTS, learning_rate=0.5, random_state=SEED)


class LogisticRegression(VectorSystem):
    """Multinomial logistic regression on scaled vectors, as strong as the validation sounds prefer."""

    def make_estimator(self, strength: float = STRENGTHS[0]) -> Any:
        """Return scaler and regression with a strength."""
        from sklearn.linear_model import LogisticRegression as Regression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), Regression(C=strength, max_iter=300, class_weight="balanced"))

    def fit(self, fold: Fold) -> None:
        """Choose the strength on the validation sounds, then fit on all sounds of the training part."""
        losses = [self._measure(strength, fold) for strength in STRENGTHS]
        strength = STRENGTHS[int(np.argmin(losses))]
        self._estimator = self.fit_estimator(self.make_estimator(strength), [*fold.train, *fold.valid])

    def _measure(self, strength: float, fold: Fold) -> float:
        """Return the mean loss on the validation sounds after training on the others."""
        estimator = self.fit_estimator(self.make_estimator(strength), fold.train)
        rows = self.expand(estimator, fold.valid)
        own = rows[np.arange(len(fold.valid)), self._labels.read(fold.valid)]
        return float(-np.log(np.maximum(own, 1e-9)).mean())
