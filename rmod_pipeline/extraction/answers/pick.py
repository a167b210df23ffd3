"""Pick known sounds by what the ear heard, and vary them towards it.

bank = SoundBank.of(ear, store, "kick")
selection = bank.select(description, count=3)
selection.picks                                    # the best first
selection.expected                                 # what the drum may sound like, to rank other answers with
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.codec.window import Mono, target_frames
from rmod_pipeline.ear.model import Description
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.extraction.answers.polish import polish
from rmod_pipeline.extraction.answers.ranking import Expectation
from rmod_pipeline.extraction.answers.variation import Variation, find_variation
from rmod_pipeline.extraction.listening.ear import OpenedEar
from rmod_pipeline.extraction.results import ExtractionConfig, GeneratedCandidate, PickedCandidate
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.render.tracks import fade_out, scale_to_peak

LONGEST_SECONDS, FADE_SECONDS = 2.0, 0.01
"""A known sound is cut after this time, with a fade, as in the mixtures that the ear is trained on."""
POSSIBLE_SOUNDS = 64
"""The sounds most like what was heard, which the drum may be; others hardly count."""
UNLIKENESS_SCALES: Mapping[str, float] = {"kick": 0.008}
"""The unlikeness that makes a known sound e times less likely. Chosen on valid pairs, as the next."""
USUAL_UNLIKENESS_SCALE = 0.016
LIKENESS_WEIGHT = 0.06
"""Weight of the embeddings beside the levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A known sound with its variation."""

    asset: Asset
    variation: Variation
    audio: Mono
    """[samples] at the ear's sample rate."""
    score: float
    """How unlike what was heard it is; see ``score_descriptions``."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The sounds that were picked for one drum, and what it may sound like."""

    picks: tuple[Pick, ...]
    """Those that are nearest to what is expected, before their variation; the nearest first."""
    expected: Expectation


def score_descriptions(heard: Description, known: Description) -> Tensor:
    """Return how unlike each known sound is what was heard: [heard, known]; 0 is equal.

    The mean squared difference of levels in units of 40 dB, and the distance of the embeddings.
    """
    levels = torch.cdist(heard.levels.flatten(1), known.levels.flatten(1)).square() / heard.levels[0].numel()
    return levels + LIKENESS_WEIGHT * (1 - heard.embedding @ known.embedding.T)


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
            torch.cat([part.levels for part in parts]), torch.cat([part.embedding for part in parts])
        )
        return cls(ear, store, instrument, tuple(assets), described)

    def select(self, heard: Description, count: int) -> Selection:
        """Return picks for one description [1, ...], each of another sound, and what the drum may sound like.

        The most similar sounds are possible, each as likely as it is like what was heard. Picked are those that are
        nearest to all of them on average. The most similar one may be an odd one.
        """
        possible = self.nearest(heard, max(count, POSSIBLE_SOUNDS))
        scale = UNLIKENESS_SCALES.get(self.instrument, USUAL_UNLIKENESS_SCALE)
        weights = torch.softmax(-torch.tensor([pick.score for pick in possible]) / scale, 0)
        samples = target_frames(self.instrument) * self.ear.features.hop
        sounds = [pick.audio for pick in possible]
        expected = Expectation.of(sounds, weights, samples)
        best = np.argsort(expected.distances(sounds), kind="stable")[:count]
        return Selection(tuple(self._vary(possible[index], heard, scale) for index in best), expected)

    def nearest(self, heard: Description, count: int) -> list[Pick]:
        """Return the sounds that are most like one description [1, ...] without a variation, the most alike first."""
        scores = score_descriptions(heard, self.described)[0]
        least = scores.topk(min(count, len(self.assets)), largest=False)
        return [
            Pick(
                asset=self.assets[index],
                variation=Variation(),
                audio=self.read(index),
                score=float(score),
            )
            for score, index in zip(least.values, least.indices.tolist(), strict=True)
        ]

    def read(self, index: int) -> Mono:
        """Return a known sound by its position in ``assets``: mono with a peak of 1, [samples]."""
        return _read(self.store, self.assets[index])

    def _vary(self, pick: Pick, heard: Description, scale: float) -> Pick:
        """Return a sound with the variation that is most like what was heard, if that makes it e times as likely."""
        sound, rate = pick.audio, self.ear.features.sample_rate

        def score(variations: Sequence[Variation]) -> list[float]:
            sounds = [variation.apply(sound, rate) for variation in variations]
            described = self.ear.describe_sounds(self.instrument, sounds)
            scores: list[float] = score_descriptions(heard, described)[0].tolist()
            return scores

        variation, least = find_variation(score)
        if pick.score - least < scale:
            return pick
        varied = scale_to_peak(variation.apply(sound, rate)[None], 1.0)[0]
        return replace(pick, variation=variation, audio=varied, score=least)


def _read(store: AudioStore, asset: Asset) -> Mono:
    """Return a sound in mono with a peak of 1: [samples]. A longer one than ``LONGEST_SECONDS`` is cut, with a fade."""
    audio = store.read(asset.id).mean(0, keepdims=True, dtype=np.float32)
    samples = round(LONGEST_SECONDS * store.sample_rate)
    cut = audio[:, :samples].copy()
    if audio.shape[1] > samples:
        fade_out(cut, round(FADE_SECONDS * store.sample_rate))
    scaled: Mono = scale_to_peak(cut, 1.0)[0]
    return scaled


def pick_candidates(
    bank: SoundBank, heard: Description, config: ExtractionConfig
) -> tuple[list[PickedCandidate], Expectation]:
    """Return known sounds that may be what was heard in the windows of a song, and what the drum may sound like.

    Each candidate belongs to the window that it is most like.
    """
    selection = bank.select(average_description(heard), config.picks)
    candidates = []
    for pick in selection.picks:
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
                variation=pick.variation,
            )
        )
    return candidates, selection.expected


def score_candidates_by_ear(
    ear: OpenedEar, instrument: str, heard: Description, candidates: Sequence[GeneratedCandidate]
) -> list[GeneratedCandidate]:
    """Return candidates with their unlikeness to what was heard in all windows together; silent ones have none."""
    together = average_description(heard)

    def score(candidate: GeneratedCandidate) -> GeneratedCandidate:
        described = ear.describe_sounds(instrument, [candidate.audio])
        return replace(candidate, unlikeness=float(score_descriptions(together, described)))

    return [candidate if candidate.silent else score(candidate) for candidate in candidates]


def average_description(heard: Description) -> Description:
    """Return what the windows [n, ...] of one song have in common: one description [1, ...]."""
    embedding = functional.normalize(heard.embedding.mean(0, keepdim=True), dim=1)
    return Description(heard.levels.mean(0, keepdim=True), embedding)
