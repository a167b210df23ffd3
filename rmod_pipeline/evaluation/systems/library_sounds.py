"""Answers from a library: the sound nearest to a sliced hit, and the sound that the ear picks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.evaluation.systems.base import Mixture, System
from rmod_pipeline.extraction.answers.known_sounds import KnownSounds
from rmod_pipeline.extraction.listening.ear import OpenedEar, SongListener
from rmod_pipeline.library.asset import Library
from rmod_pipeline.render.tracks import scale_to_peak


def keep_split(library: Library, split: str) -> Library:
    """Return the sounds of one split, so that no sound of a test kit can be an answer."""
    return replace(library, assets=tuple(asset for asset in library.assets if asset.split == split))


@dataclass(frozen=True, slots=True)
class NearestSoundSystem(System):
    """The known sound whose log-mel spectrogram is nearest to that of a sliced hit, both at full scale."""

    slicing: System
    known: KnownSounds
    ear: OpenedEar

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return a known sound [samples]; None if there is no hit, or no sound of this kind."""
        hit = self.slicing.extract(mixture, kind) if _knows(self.known, kind) else None
        if hit is None or not hit.any():
            return None
        bank = self.known.bank(kind)
        described = self.ear.describe_sounds(kind, [scale_to_peak(hit[None], 1.0)[0]])
        distances = torch.cdist(described.levels.flatten(1), bank.described.levels.flatten(1))[0]
        return bank.read(int(distances.argmin()))


@dataclass(frozen=True, slots=True)
class EarPickSystem(System):
    """What the ear picks from a library, as `rmod extract --answer picked` does."""

    known: KnownSounds
    ear: OpenedEar

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return a known sound with its variation [samples]; None for a kind that the ear or the library lacks."""
        if kind not in self.ear.instruments or not _knows(self.known, kind):
            return None
        description = self.ear.describe_windows(kind, [mixture.audio])
        return self.known.bank(kind).pick(description, 1)[0].audio


def _knows(known: KnownSounds, kind: str) -> bool:
    return any(asset.kind == kind for asset in known.library.assets)


def hear_onsets(ear: OpenedEar, mixture: Mixture) -> Mapping[str, Sequence[int]]:
    """Return by kind the samples at which the ear hears hits in a mixture, to about 6 ms."""
    listener = SongListener(ear)
    for _ in listener.listen([mixture.audio]):
        pass
    hits = {kind: listener.find_hits(kind).seconds for kind in ear.instruments}
    return {kind: [round(second * mixture.sample_rate) for second in seconds] for kind, seconds in hits.items()}
