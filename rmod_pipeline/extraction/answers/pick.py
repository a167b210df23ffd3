"""Pick known sounds by what the ear heard, and layer and vary them towards it.

bank = SoundBank.of(ear, store, "kick")
picks = bank.pick(description, count=3)            # the best first
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.ear.model import Description
from rmod_pipeline.ear.spectrum import measure_distances
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.extraction.answers.polish import polish
from rmod_pipeline.extraction.answers.variation import Variation, find_variation
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.extraction.results import ExtractionConfig, GeneratedCandidate, PickedCandidate, PickLayer
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.render.tracks import fade_out, scale_to_peak

LONGEST_SECONDS, FADE_SECONDS = 2.0, 0.01
"""A known sound is cut after this time, with a fade, as in the mixtures that the ear is trained on."""
UNVARIED = Variation()
LAYER_SHARES = (0.25, 0.5, 0.75)
LAYERED_SOUNDS = 8
"""The next most similar sounds, each of which may be a layer of a pick."""
LEAST_PEAK = 1e-3
"""Two sounds whose sum has a lower peak cancel, as a sound and its copy of opposite polarity do."""
LEAST_LAYER_GAIN = 0.02
"""Share by which a layer must lower the unlikeness. A copy of the same sound lowers it by rounding alone."""
LEAST_GAIN = 0.1
"""Share by which a variation must lower the unlikeness, or else the sound stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A known sound with its layers and its variation."""

    asset: Asset
    layers: tuple[PickLayer, ...] = ()
    variation: Variation = UNVARIED
    audio: Mono
    """[samples] at the ear's sample rate, with a peak of 1."""
    score: float
    """How unlike what was heard it is; see ``score_descriptions``."""


def score_descriptions(heard: Description, known: Description) -> Tensor:
    """Return how unlike each known sound is what was heard: [heard, known]; 0 is equal.

    It is about the spectral distance from the one-shot that the ear expects. So the sound with the least is also the
    one with the least expected distance from the true one-shot.
    """
    return measure_distances(heard.spectrum, known.spectrum)


@dataclass(frozen=True, slots=True)
class SoundBank:
    """The known sounds of one instrument, with their descriptions."""

    ear: OpenedEar
    store: AudioStore
    instrument: str
    assets: tuple[Asset, ...]
    described: Description

    @classmethod
    def of(
        cls, ear: OpenedEar, store: AudioStore, instrument: str, on_sound: Callable[[int], None] = lambda _count: None
    ) -> SoundBank:
        """Describe all sounds of an instrument in a library but silent ones. Raises LibraryError if there are none.

        ``on_sound`` is called with 1 after each. Raises AssetError for a file that cannot be read.
        """
        assets, parts = [], []
        for asset in store.library.assets:
            if asset.kind == instrument:
                sound = _read(store, asset)
                if sound.any():
                    assets.append(asset)
                    parts.append(ear.describe_sounds(instrument, [sound]))
                on_sound(1)
        if not assets:
            hint = f"give another --library, or scan one that has {instrument} sounds"
            raise LibraryError(store.library.manifest, f"no {instrument} to pick that can be heard", hint)
        described = Description(
            torch.cat([part.levels for part in parts]),
            torch.cat([part.embedding for part in parts]),
            torch.cat([part.spectrum for part in parts]),
        )
        return cls(ear, store, instrument, tuple(assets), described)

    def pick(self, heard: Description, count: int, layers: int = 3) -> list[Pick]:
        """Return picks for one description [1, ...], each of another sound, the most similar first.

        The most similar sounds are picked. Each may be mixed with less similar ones, up to ``layers`` sounds together,
        and is then varied, if that makes it more similar.
        """
        nearest = self.nearest(heard, count + LAYERED_SOUNDS)
        picks = []
        for rank, pick in enumerate(nearest[:count]):
            layered = self._layer(pick, nearest[rank + 1 : rank + 1 + LAYERED_SOUNDS], heard, layers)
            picks.append(self._vary(layered, heard))
        return sorted(picks, key=lambda pick: pick.score)

    def nearest(self, heard: Description, count: int) -> list[Pick]:
        """Return the sounds that are most like one description [1, ...] without a variation, the most alike first."""
        scores = score_descriptions(heard, self.described)[0]
        least = scores.topk(min(count, len(self.assets)), largest=False)
        return [
            Pick(
                asset=self.assets[index],
                audio=self.read(index),
                score=float(score),
            )
            for score, index in zip(least.values, least.indices.tolist(), strict=True)
        ]

    def read(self, index: int) -> Mono:
        """Return a known sound by its position in ``assets``: mono with a peak of 1, [samples]."""
        return _read(self.store, self.assets[index])

    def _layer(self, pick: Pick, others: Sequence[Pick], heard: Description, most: int) -> Pick:
        """Return a pick mixed with other sounds, one after the other, as long as that makes it more similar."""
        amounts = {pick.asset: 1.0}
        for _ in range(most - 1):
            options = [
                (mixed, other.asset, share)
                for other in others
                for share in LAYER_SHARES
                if other.asset not in amounts and (mixed := _mix(pick.audio, other.audio, share)) is not None
            ]
            if not options:
                break
            scores = self._score([mixed.audio for mixed, _, _ in options], heard)
            position = int(np.argmin(scores))
            if scores[position] > pick.score * (1 - LEAST_LAYER_GAIN):
                break
            mixed, asset, share = options[position]
            amounts = {known: amount * (1 - share) / mixed.loudest for known, amount in amounts.items()}
            amounts[asset] = share / mixed.loudest
            pick = replace(pick, audio=mixed.audio, score=scores[position])
        total = sum(amounts.values())
        layers = tuple(PickLayer(asset=asset, share=amount / total) for asset, amount in amounts.items())
        return replace(pick, layers=layers[1:])

    def _vary(self, pick: Pick, heard: Description) -> Pick:
        """Return a pick with the variation that makes it most similar, if it does by ``LEAST_GAIN``."""
        rate = self.ear.features.sample_rate
        variation, least = find_variation(
            lambda variations: self._score([each.apply(pick.audio, rate) for each in variations], heard)
        )
        if least > pick.score * (1 - LEAST_GAIN):
            return pick
        return replace(pick, variation=variation, audio=_scale(variation.apply(pick.audio, rate)), score=least)

    def _score(self, sounds: Sequence[Mono], heard: Description) -> list[float]:
        """Return how unlike what was heard sounds are, each [samples]; silence is infinitely unlike."""
        scores: list[float] = score_descriptions(heard, self.ear.describe_sounds(self.instrument, sounds))[0].tolist()
        return [score if sound.any() else np.inf for score, sound in zip(scores, sounds, strict=True)]


class _Mixed(NamedTuple):
    audio: Mono
    """[samples], with a peak of 1."""
    loudest: float
    """The peak before it was scaled."""


def _mix(sound: Mono, other: Mono, share: float) -> _Mixed | None:
    """Return a sound mixed with another, whose share of the sum is given; None if they cancel."""
    mixed = np.zeros(max(sound.size, other.size), np.float32)
    mixed[: sound.size] += np.float32(1 - share) * sound
    mixed[: other.size] += np.float32(share) * other
    loudest = float(np.abs(mixed).max())
    return _Mixed(_scale(mixed), loudest) if loudest > LEAST_PEAK else None


def _scale(sound: Mono) -> Mono:
    scaled: Mono = scale_to_peak(sound[None], 1.0)[0]
    return scaled


def _read(store: AudioStore, asset: Asset) -> Mono:
    """Return a sound in mono with a peak of 1: [samples]. A longer one than ``LONGEST_SECONDS`` is cut, with a fade."""
    audio = store.read(asset.id).mean(0, keepdims=True, dtype=np.float32)
    samples = round(LONGEST_SECONDS * store.sample_rate)
    cut = audio[:, :samples].copy()
    if audio.shape[1] > samples:
        fade_out(cut, round(FADE_SECONDS * store.sample_rate))
    return _scale(cut[0])


def pick_candidates(bank: SoundBank, heard: Description, config: ExtractionConfig) -> list[PickedCandidate]:
    """Return known sounds that may be what was heard in the windows of a song, the most similar first.

    Each candidate belongs to the window that it is most like.
    """
    candidates = []
    for pick in bank.pick(average_description(heard), config.picks, config.layers):
        described = bank.ear.describe_sounds(bank.instrument, [pick.audio])
        polished = polish(pick.audio, bank.ear.features.sample_rate, trim=config.trim, normalize=config.normalize)
        candidates.append(
            PickedCandidate(
                window=int(score_descriptions(heard, described)[:, 0].argmin()),
                silent=polished.silent,
                gain_db=polished.gain_db,
                audio=polished.audio,
                unlikeness=pick.score,
                asset=pick.asset,
                layers=pick.layers,
                variation=pick.variation,
            )
        )
    return candidates


def score_candidates_by_ear(
    ear: OpenedEar, instrument: str, heard: Description, candidates: Sequence[GeneratedCandidate]
) -> list[GeneratedCandidate]:
    """Return candidates with their unlikeness to what was heard in all windows together; silent ones have none."""
    together = average_description(heard)

    def score(candidate: GeneratedCandidate) -> GeneratedCandidate:
        described = ear.describe_sounds(instrument, [_scale(candidate.audio)])
        return replace(candidate, unlikeness=float(score_descriptions(together, described)))

    return [candidate if candidate.silent else score(candidate) for candidate in candidates]


def average_description(heard: Description) -> Description:
    """Return what the windows [n, ...] of one song have in common: one description [1, ...]."""
    embedding = functional.normalize(heard.embedding.mean(0, keepdim=True), dim=1)
    return Description(heard.levels.mean(0, keepdim=True), embedding, heard.spectrum.mean(0, keepdim=True))
