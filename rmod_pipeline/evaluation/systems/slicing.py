"""Separate and slice: cut one hit of a drum out of a mixture. The baseline of the DOSE paper, without its networks.

The hit is cut at an onset that is known, as the paper does with LarsNet, or at one that is found as `rmod extract`
finds it. Of several hits the one is taken after which no other drum is hit for the longest time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.evaluation.systems.base import Mixture, System
from rmod_pipeline.evaluation.systems.separation import Separation
from rmod_pipeline.evaluation.systems.training_sounds import window_samples

FADE_SECONDS = 0.005
"""Fade where a hit is cut off by the next one."""
SAME_HIT_SECONDS = 0.02
"""Two drums that are hit within this time are hit together."""
REFINE_SECONDS = 0.025
"""How far from a found onset its attack is looked for."""
ATTACK_SAMPLES = 64

FindOnsets = Callable[[Mixture], Mapping[str, Sequence[int]]]
"""Return by kind the samples at which drums are hit."""


def known_onsets(mixture: Mixture) -> Mapping[str, Sequence[int]]:
    """Return the onsets that the test set knows."""
    return mixture.onsets


@dataclass(frozen=True, slots=True)
class SlicingSystem(System):
    """Separate, and cut the clearest hit."""

    separation: Separation
    find_onsets: FindOnsets
    refines: bool
    """Whether onsets are rough, and the attack is looked for beside them."""

    def extract(self, mixture: Mixture, kind: str) -> Mono | None:
        """Return one hit [samples]; None if no hit of the drum is known or found, or there is no stem."""
        onsets = self.find_onsets(mixture)
        signal = self.separation.separate(mixture, kind) if onsets.get(kind) else None
        if signal is None:
            return None
        start, end = choose_hit(onsets, kind, signal.size, mixture.sample_rate)
        if self.refines:
            start = refine_onset(signal, start, mixture.sample_rate)
        most = window_samples(kind, mixture.sample_rate)
        return cut_hit(signal, start, max(end, start + 1), most, mixture.sample_rate)


def choose_hit(onsets: Mapping[str, Sequence[int]], kind: str, samples: int, sample_rate: int) -> tuple[int, int]:
    """Return the onset of the hit of a kind that is alone for longest, and the next onset of that kind.

    A hit is alone from its onset to the next hit of any other drum, and not at all if another drum is hit with it.
    """
    together = round(SAME_HIT_SECONDS * sample_rate)
    own = sorted(onsets[kind])
    others = np.array(sorted(onset for name, times in onsets.items() if name != kind for onset in times))
    ends = [*own[1:], samples]

    def seconds_alone(start: int, end: int) -> int:
        near = others[(others > start - together) & (others < end)]
        if near.size == 0:
            return end - start
        return 0 if near[0] < start + together else int(near[0]) - start

    # Of equal ones the first; of those that are never alone, the one whose next hit is furthest away.
    return max(zip(own, ends, strict=True), key=lambda hit: (seconds_alone(*hit), hit[1] - hit[0], -hit[0]))


def refine_onset(signal: Mono, onset: int, sample_rate: int) -> int:
    """Return the sample near a rough onset at which the level rises most."""
    reach = round(REFINE_SECONDS * sample_rate)
    first = max(onset - reach, 0)
    part = signal[first : onset + reach]
    blocks = part[: part.size - part.size % ATTACK_SAMPLES].reshape(-1, ATTACK_SAMPLES)
    if len(blocks) < 2:
        return onset
    levels = np.log10(np.square(blocks).mean(1) + 1e-9)
    return first + (int(np.diff(levels).argmax()) + 1) * ATTACK_SAMPLES


def cut_hit(signal: Mono, start: int, end: int, most: int, sample_rate: int) -> Mono:
    """Return the signal from ``start`` to ``end``, at most ``most`` samples, with a short fade at its end."""
    hit = signal[start : min(end, start + most)].copy()
    fade = min(round(FADE_SECONDS * sample_rate), hit.size)
    hit[hit.size - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return hit
