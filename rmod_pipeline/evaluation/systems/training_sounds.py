"""Guesses without the mixture: a training one-shot at random, the most typical one, and silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from rmod_pipeline.codec.spectral_distance import distance_from_mean
from rmod_pipeline.codec.window import Mono, fit_window, target_frames
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.sets.pairs import read_item
from rmod_pipeline.evaluation.systems.base import Mixture, System
from rmod_pipeline.reading.pairs import list_keys
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location

TYPICAL_OF = 64
"""Training one-shots from which the typical one is chosen."""
HOP, RATE = 512, 44_100
"""Samples per frame of the windows in which one-shots are compared, and their rate: those of the DOSE paper's codec."""


def window_samples(kind: str, sample_rate: int) -> int:
    """Return the samples of the window in which one-shots of a kind are compared: 1.045 s, or 0.464 s for hi-hats."""
    return round(target_frames(kind) * HOP * sample_rate / RATE)


@dataclass(frozen=True, slots=True)
class TrainingSounds:
    """The true one-shots of the pairs of a train split."""

    out: Location
    split: str
    keys: tuple[str, ...]

    @classmethod
    def of(cls, out: Location, split: str, sample_rate: int) -> TrainingSounds:
        """List the pairs. Raises ShardError for a data set without this split, or at another rate in Hz."""
        keys = list_keys(out, split)
        own = int(read_fingerprint(Layout(out).build)["recipe"]["sample_rate"])
        if own != sample_rate:
            found = f"one-shots at {own} Hz, the test set has {sample_rate} Hz"
            raise ShardError(out, found, "name a data set of that rate with `sounds:`")
        if not keys:
            raise ShardError(f"{out}, split {split}", "all of its pairs were rejected", "name another with `sounds:`")
        return cls(out, split, tuple(keys))

    def read(self, key: str, kind: str) -> Mono:
        """Return the one-shot of a pair [samples]. Raises ShardError for one without this kind."""
        truths = read_item(self.out, key).truths
        if kind not in truths:
            found = f"contains no audio of its {kind}"
            raise ShardError(key, found, f"evaluate on a data set that was built from a recipe with a {kind}")
        return truths[kind]

    def draw_key(self, draw: Draw) -> str:
        """Return the key of a random pair."""
        return self.keys[draw.below(len(self.keys))]


@dataclass(frozen=True, slots=True)
class ChanceSystem(System):
    """A one-shot of the same kind from the training split, drawn anew for every mixture."""

    sounds: TrainingSounds
    draw: Draw

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the one-shot of a random training pair."""
        return self.sounds.read(self.sounds.draw_key(self.draw.at(kind, mixture.key)), kind)


@dataclass(frozen=True, slots=True)
class TypicalSystem(System):
    """Of ``TYPICAL_OF`` training one-shots the one nearest to all: the best guess without the mixture."""

    sounds: TrainingSounds
    draw: Draw
    _chosen: dict[str, Mono] = field(default_factory=dict)

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return the same one-shot for every mixture."""
        if kind not in self._chosen:
            stream, samples = self.draw.at(kind), window_samples(kind, mixture.sample_rate)
            keys = [self.sounds.draw_key(stream.at(number)) for number in range(TYPICAL_OF)]
            sounds = [fit_window(self.sounds.read(key, kind), samples, 1).audio for key in keys]
            nearest = int(distance_from_mean(torch.from_numpy(np.stack(sounds))).argmin())
            self._chosen[kind] = sounds[nearest]
        return self._chosen[kind]


@dataclass(frozen=True, slots=True)
class SilentSystem(System):
    """Silence: what a metric says of no answer at all."""

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return silence."""
        return np.zeros(window_samples(kind, mixture.sample_rate), np.float32)


@dataclass(frozen=True, slots=True)
class AnotherPairSystem(System):
    """What a system answers to another mixture: as good as its own answer, if the system does not listen."""

    system: System

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:  # noqa: ARG002
        """Return no answer: there is no other mixture."""
        return None

    def extract_all(self, mixtures: Sequence[Mixture], kind: str) -> list[Mono | None]:
        """Return for each mixture the answer to the one before it, and for the first that to the last."""
        if len(mixtures) == 1:
            return [None]
        answers = self.system.extract_all(mixtures, kind)
        return [*answers[-1:], *answers[:-1]]
