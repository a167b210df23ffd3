"""Systems that are trained from sound: the network of rmod, and heads on its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.classifier import SoundClassifier, open_classifier
from rmod_pipeline.classification.levels import FRAME_STEP, Levels
from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.classification.results import Classification
from rmod_pipeline.errors import ModelError
from rmod_pipeline.evaluation.classifiers.folds import Fold
from rmod_pipeline.evaluation.classifiers.heads import Classes, Head, Vectors, fit_neural_forest, fit_perceptron
from rmod_pipeline.evaluation.classifiers.systems.base import GuardedLabels, TestGuard
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.training.classifier.material import SoundMaterial
from rmod_pipeline.training.classifier.sounds import LabelledSound
from rmod_pipeline.training.classifier.train import ClassifierTraining, fit_classifier, split_sounds
from rmod_pipeline.training.loop.data import TRAIN, VALID
from rmod_pipeline.training.loop.monitor import ProgressListener
from rmod_pipeline.training.loop.trainer import DeviceSettings

TEST = "test"
HEAD_COPIES = 4
"""Varied copies per sound that a head learns from, beside the sound itself."""
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardedMaterial(SoundMaterial):
    """The levels of all sounds, of which the test sounds cannot be read to learn."""

    guard: TestGuard

    def read(self, sound: int, copy: int) -> Levels:
        """Return the levels of a copy of a sound. Raises LeakError."""
        self.guard.check([sound])
        return SoundMaterial.read(self, sound, copy)


@dataclass(kw_only=True)
class FoldNetwork:
    """The network of one fold: trained when it is first needed, and used by several systems."""

    recipe: ClassifierRecipe
    features: LogMel
    libraries: Sequence[Library]
    sounds: Sequence[LabelledSound]
    """The sounds of the comparison, and after them synthesised ones, from which every network learns."""
    material: GuardedMaterial
    folder: Path
    listener: ProgressListener = field(default_factory=ProgressListener)
    _classifier: SoundClassifier | None = None

    def fit(self, fold: Fold) -> None:
        """Train the network on ``fold.train``; ``fold.valid`` selects and calibrates it. Resumes a stopped training."""
        if self._classifier is not None:
            return
        splits = {**dict.fromkeys(fold.train, TRAIN), **dict.fromkeys(fold.valid, VALID)}
        sounds = [
            sound if sound.path is None else replace(sound, split=splits.get(index, TEST))
            for index, sound in enumerate(self.sounds)
        ]
        data = split_sounds(sounds, self.material, {TRAIN}, {VALID})
        machine = DeviceSettings(device="cpu")
        training = ClassifierTraining(recipe=self.recipe, libraries=self.libraries, out=self.folder, machine=machine)
        report = fit_classifier(training, data, self.features, self.listener)
        if report is None or not report.ended:
            hint = "give the same command again: the training goes on"
            raise ModelError(self.folder, "the training of its network has not ended", hint)
        self._classifier = open_classifier(report.model)

    def answer(self, indices: Sequence[int], seconds: float | None = None) -> NDArray[np.float64]:
        """Return the probabilities of classes [n, classes] for sounds, of which at most some seconds are heard."""
        rows = np.zeros((len(indices), len(CLASSES)))
        for row, answer in zip(rows, self._classify([(index, 0) for index in indices], seconds), strict=True):
            for guess in answer.guesses:
                row[CLASSES.index(guess.kind)] = guess.confidence
        normalised: NDArray[np.float64] = rows / np.maximum(rows.sum(1, keepdims=True), 1e-12)
        return normalised

    def embed(self, indices: Sequence[int], copies: int = 0) -> Vectors:
        """Return the embeddings [n * (1 + copies), dimensions] of sounds, and of some varied copies after them.

        First all sounds, then the first copy of each, and so on.
        """
        available = min(copies, min((len(self.material.parts[index]) for index in indices), default=1) - 1)
        parts = [(index, copy) for copy in range(available + 1) for index in indices]
        return np.stack([answer.embedding for answer in self._classify(parts)])

    def _classify(self, parts: Sequence[tuple[int, int]], seconds: float | None = None) -> list[Classification]:
        if self._classifier is None:
            raise ValueError("the network is not trained yet")
        most = None
        if seconds is not None:
            frames = seconds * self.features.sample_rate / self.features.hop
            most = FRAME_STEP * round(frames / FRAME_STEP)
        levels = [self.material.read(index, copy)[:, :, :most] for index, copy in parts]
        return self._classifier.classify_levels(levels)


class NetworkHearing:
    """The network from end to end."""

    def __init__(self, network: FoldNetwork, seconds: float | None) -> None:
        """``seconds``: at most so much of a sound is heard; None: as much as the network was made for."""
        self._network, self._seconds = network, seconds

    def fit(self, fold: Fold) -> None:
        """Train the network."""
        self._network.fit(fold)

    def probabilities(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the calibrated probabilities [n, classes]."""
        return self._network.answer(indices, self._seconds)


FitHead = Callable[[tuple[Vectors, Classes], tuple[Vectors, Classes], int, int], Head]


class EmbeddingHead:
    """A head on the embeddings of the frozen network, which has learned from the same training sounds."""

    fit_head: FitHead

    def __init__(self, network: FoldNetwork, labels: GuardedLabels) -> None:
        self._network, self._labels = network, labels
        self._head: Head | None = None

    def fit(self, fold: Fold) -> None:
        """Fit the head on the training sounds and their copies; the validation sounds select its best epoch."""
        self._network.fit(fold)
        vectors, truth = self._network.embed(fold.train, HEAD_COPIES), self._labels.read(fold.train)
        train = (vectors, np.tile(truth, len(vectors) // len(truth)))
        valid = (self._network.embed(fold.valid), self._labels.read(fold.valid))
        self._head = type(self).fit_head(train, valid, self._labels.classes, SEED)

    def probabilities(self, indices: Sequence[int]) -> NDArray[np.float64]:
        """Return the probabilities [n, classes]."""
        if self._head is None:
            raise ValueError("the head is not fitted yet")
        return self._head.probabilities(self._network.embed(indices))


class EmbeddingPerceptron(EmbeddingHead):
    """A perceptron with one hidden layer on embeddings."""

    fit_head = staticmethod(fit_perceptron)


class EmbeddingNeuralForest(EmbeddingHead):
    """A deep neural decision forest on embeddings."""

    fit_head = staticmethod(fit_neural_forest)
