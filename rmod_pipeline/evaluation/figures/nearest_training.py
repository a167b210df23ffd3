"""Describe the sounds that a system may have learned from or picked: those of train splits."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import from_pcm
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.chunk import SetWork, describe_sounds, finish_sound
from rmod_pipeline.evaluation.recipe import EarPick, NearestSound, PairsChoice
from rmod_pipeline.evaluation.systems.library_sounds import keep_split
from rmod_pipeline.evaluation.systems.training_sounds import TrainingSounds
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.reading.pairs import pick_evenly
from rmod_pipeline.storage import parse_location

MOST_PAIRS = 400
"""Training pairs whose one-shots are looked at, spread evenly over the train split."""


@lru_cache(maxsize=64)
def describe_training_sounds(work: SetWork, kind: str) -> NDArray[np.float32] | None:
    """Return the levels of training sounds of a kind [n, d]: of the libraries that systems pick from, and of pairs.

    None where no training sound is known, as for songs and imported pairs.
    """
    parts = [
        describe_sounds(LogMel(), from_pcm(finished), rate)
        for sound, rate in _read_sounds(work, kind)
        if np.isfinite(sound).all() and (finished := finish_sound(sound, kind, rate)).any()
    ]
    return np.concatenate(parts).astype(np.float32) if parts else None


def _read_sounds(work: SetWork, kind: str) -> Iterator[tuple[Mono, int]]:
    """Yield training sounds of a kind with their sample rates."""
    choices = [choice for choice in work.recipe.systems if isinstance(choice, NearestSound | EarPick)]
    for name in dict.fromkeys(choice.library for choice in choices):
        library = keep_split(load_library(name), "train")
        store = AudioStore(library, LogMel().sample_rate)
        for asset in library.assets:
            if asset.kind == kind:
                yield store.read(asset.id).mean(0), store.sample_rate
    choice = work.test_set.choice
    if isinstance(choice, PairsChoice):
        try:
            rate = work.test_set.sample_rate
            training = TrainingSounds.of(parse_location(choice.sounds or choice.data), "train", rate)
            for key in pick_evenly(training.keys, MOST_PAIRS):
                yield training.read(key, kind), rate
        except ShardError:
            return  # a set without a train split, or without this kind
