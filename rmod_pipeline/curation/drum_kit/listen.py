"""Rate a sound for every pad by the probabilities of a classifier.

A sound that is no drum is nearly certain not to be one, and which drum it is most like stands in the last digits. So
the probabilities of all leaves are used as they are, before they are rounded for people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.results import Classification
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.classify_files import Classifier
from rmod_pipeline.curation.drum_kit.pads import Pad
from rmod_pipeline.curation.drum_kit.results import Rating
from rmod_pipeline.errors import ModelError
from rmod_pipeline.library.taxonomy import NOT_A_DRUM

DRUM_WEIGHT = 0.15
"""Weight of the log of the probability that a sound is a drum, against that of its class among the drums."""
LEAST_PROBABILITY = 1e-9
CLEAR_DB = 20.0
"""From this clarity on, what sounded before the onset does not count."""
UNCLEAR_PER_DB = 0.05
"""Loss of score per dB below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafAnswer:
    """What a classifier makes of one sound."""

    probabilities: Mapping[str, float]
    """Of each class, or each part of a class, by its path in the taxonomy: ``kick``, ``hihat/open``."""
    embedding: NDArray[np.float32]
    """[dimensions], of length 1."""


Listen = Callable[[Sequence[Mono]], list[LeafAnswer]]
"""Sounds [samples] at 44.1 kHz, each from its onset on, to the answer about each."""


@dataclass(frozen=True, slots=True)
class LeafClassifierChoice:
    """A classifier by its file, opened so that it tells the probabilities of its leaves; by default that of rmod."""

    path: Path | None = None

    def open(self) -> Classifier:
        """Open the classifier. Raises ModelError for a bad file, and if torch is not installed."""
        from rmod_pipeline.codec.torch_support import require_torch

        require_torch(ModelError, "classify")
        from rmod_pipeline.classification.classifier import open_classifier

        return open_classifier(self.path)


def listen_with(classifier: Classifier) -> Listen:
    """Return a function that asks a classifier for the probabilities of its leaves.

    A classifier that does not tell them is asked for its guesses.
    """
    if hasattr(classifier, "leaf_probabilities"):
        return lambda sounds: [_ask_leaves(classifier, sound) for sound in sounds]
    return lambda sounds: [_ask_guesses(answer) for answer in classifier.classify(sounds)]


def rate_pad(pad: Pad, answer: LeafAnswer, clarity_db: float) -> Rating:
    """Return how good a sound is for a pad; ``clarity_db`` is the level at its onset relative to that before it."""
    drums = {path: value for path, value in answer.probabilities.items() if path != NOT_A_DRUM}
    # A classifier may know the class alone, and not its parts.
    own = drums.get(pad.path, drums.get(pad.kind, 0.0))
    total = sum(drums.values())
    probability = own / total if total > 0 else 0.0
    unclear = UNCLEAR_PER_DB * max(CLEAR_DB - clarity_db, 0.0)
    score = _log(probability) + DRUM_WEIGHT * _log(total) - unclear
    return Rating(score=score, probability=probability, drum=min(total, 1.0))


def _log(probability: float) -> float:
    return math.log(max(probability, LEAST_PROBABILITY))


def _ask_leaves(classifier: Any, sound: Mono) -> LeafAnswer:
    """Return the answer about one sound. In a batch, its last bits would depend on the other sounds."""
    from rmod_pipeline.codec.torch_support import single_thread

    with single_thread():
        probabilities, embedding = classifier.leaf_probabilities(sound)
    return LeafAnswer(
        probabilities=dict(zip(classifier.leaves.names, probabilities.tolist(), strict=True)), embedding=embedding
    )


def _ask_guesses(answer: Classification) -> LeafAnswer:
    return LeafAnswer(
        probabilities={guess.name: guess.confidence for guess in answer.guesses}, embedding=answer.embedding
    )
