"""Tell the kind of a one-shot by ear.

classifier = open_classifier()
sound = prepare_sound(audio, sample_rate)
classifier.classify([sound])[0].best                # ClassGuess(kind="hihat", subkind="open", confidence=0.97)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rmod_pipeline.classification.checkpoint import (
    FILE_NAME,
    SHIPPED_CLASSIFIER,
    Calibration,
    load_classifier_net,
    read_classifier,
)
from rmod_pipeline.classification.labels import Leaves, subkind_of_leaf
from rmod_pipeline.classification.levels import Levels, batch_by_length, compute_sound_levels, prepare_sound
from rmod_pipeline.classification.model import NetworkOutput, SoundClassifierNet, normalize_levels
from rmod_pipeline.classification.results import ClassGuess, Classification
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.features import LogMel

__all__ = ["SoundClassifier", "open_classifier", "prepare_sound"]

BATCH = 32
"""Sounds that are heard at once."""
_SURE_SUBKIND = 0.5
"""A subkind is named if it has more than this part of the probability of its class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundClassifier:
    """A classifier that is ready to hear."""

    model: SoundClassifierNet
    leaves: Leaves
    features: LogMel
    calibration: Calibration
    source: Mapping[str, Any]
    """Origin: file, sha256, recipe, step."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that it tells apart."""
        return self.leaves.classes

    @property
    def dimensions(self) -> int:
        """The length of an embedding."""
        return self.model.size.embedding

    def classify(self, sounds: Sequence[Mono]) -> list[Classification]:
        """Return what each sound [samples] is, at the rate of the features, 44,100 Hz.

        A sound may have any length and level; the first three seconds count. Prepare it by ``prepare_sound``.
        Silence is not certain to be anything. Raises ValueError for NaN and infinite samples.
        """
        levels = [compute_sound_levels(sound, self.features, self.model.size.seconds) for sound in sounds]
        return self.classify_levels(levels)

    def classify_levels(self, levels: Sequence[Levels]) -> list[Classification]:
        """Return the same for sounds whose levels are known: each [windows, bands, frames]."""
        answers: list[Classification | None] = [None] * len(levels)
        for indices in batch_by_length([each.shape[2] for each in levels], BATCH):
            output = self._hear([levels[index] for index in indices])
            probabilities = (output.logits / self.calibration.temperature).softmax(1).double().numpy()
            vectors = torch.nn.functional.normalize(output.embedding, dim=1).numpy()
            for row, index in enumerate(indices):
                is_silent = not levels[index].any()
                answers[index] = self._answer(probabilities[row], vectors[row], is_silent)
        return [answer for answer in answers if answer is not None]

    def embed(self, sounds: Sequence[Mono]) -> NDArray[np.float32]:
        """Return the embeddings [n, dimensions] of sounds [samples], each of length 1."""
        empty = np.zeros((0, self.dimensions), np.float32)
        return np.concatenate([empty, *(answer.embedding[None] for answer in self.classify(sounds))])

    def leaf_probabilities(self, sound: Mono) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the calibrated probabilities of all leaves [leaves], and the embedding [dimensions] of a sound.

        They are not rounded: what a sound that is no drum is most like stands in digits that ``classify`` rounds away.
        """
        output = self._hear([compute_sound_levels(sound, self.features, self.model.size.seconds)])
        embedding: NDArray[np.float32] = torch.nn.functional.normalize(output.embedding, dim=1)[0].numpy()
        return (output.logits[0].double() / self.calibration.temperature).softmax(0).numpy(), embedding

    def _hear(self, levels: Sequence[Levels]) -> NetworkOutput:
        stacked = torch.from_numpy(np.stack(levels))
        frames = torch.full((len(levels),), stacked.shape[3])
        with torch.inference_mode():
            output: NetworkOutput = self.model(normalize_levels(stacked), frames)
        return output

    def _answer(self, leaves: NDArray[np.float64], vector: NDArray[np.float32], is_silent: bool) -> Classification:
        """Return the answer for the probabilities of leaves [leaves]."""
        names, indices = self.leaves.names, self.leaves.class_indices
        guesses = []
        for number, kind in enumerate(self.classes):
            own = np.flatnonzero(indices == number)
            total, best = float(leaves[own].sum()), own[leaves[own].argmax()]
            is_sure = leaves[best] > _SURE_SUBKIND * total
            subkind = subkind_of_leaf(names[best]) if is_sure else ""
            guesses.append(ClassGuess(kind=kind, subkind=subkind, confidence=round(total, 4)))
        guesses.sort(key=lambda guess: -guess.confidence)
        certain = not is_silent and guesses[0].confidence >= self.calibration.threshold
        return Classification(guesses=tuple(guesses), is_certain=certain, embedding=vector)


def open_classifier(path: Path | None = None) -> SoundClassifier:
    """Open a classifier, given by its file or by the folder of its training; by default the one that rmod ships.

    Raises ModelError for any other file.
    """
    file = SHIPPED_CLASSIFIER if path is None else path / FILE_NAME if path.is_dir() else path
    checkpoint = read_classifier(file)
    return SoundClassifier(
        model=load_classifier_net(checkpoint),
        leaves=checkpoint.leaves,
        features=checkpoint.features,
        calibration=checkpoint.calibration,
        source=checkpoint.describe_source(),
    )
