"""Count the hits in a sound: a one-shot holds one; a loop, a fill or a chain of samples holds several."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, to_channels

_HOP_SECONDS = 0.005
_WINDOW_HOPS = 5
_FLOOR_DB = 60.0
"""Levels further below the loudest one count as silence."""
_ATTACK_HOPS = 6
"""A hit rises within this time. A swell that takes longer is no second hit."""
_MAX_SECONDS = 30.0
"""What follows is not looked at: a longer file is no one-shot."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What makes several hits: that many peaks of like level, each with a valley before it."""

    hits: int
    rise_db: float
    """Least height of a peak above the valley before it, and of the fall after it."""
    within_db: float
    """Greatest distance from the loudest peak."""
    spacing_hops: int
    """Least distance of two peaks."""


# The more peaks there are, the flatter they may be: two peaks may be the beating of a tone, six are a roll.
# benchmarks/one_hit.py measures how many real one-shots and loops meet these rules.
_RULES = (_Rule(2, 12.0, 12.0, 20), _Rule(3, 7.0, 12.0, 16), _Rule(6, 3.0, 9.0, 5))


def count_hits(audio: Audio, sample_rate: int) -> int:
    """Return the number of hits of like strength in audio [channels, frames], 1 if there are no several ones.

    The mono mix is judged, because it is what a model hears. A flam counts as one hit: its strokes are less than 0.1 s
    apart.
    """
    mono = to_channels(audio[:, : round(_MAX_SECONDS * sample_rate)], 1)[0]
    if mono.size < 2:
        return 1
    counts = [1]
    # The slope of the wave shows the attacks over a long low tone.
    for signal in (mono - mono.mean(), np.diff(mono)):
        levels = _measure_levels(signal, sample_rate)
        for rule in _RULES:
            hits = _count_peaks(levels, rule)
            if hits >= rule.hits:
                counts.append(hits)
    return max(counts)


def _measure_levels(signal: NDArray[np.float32], sample_rate: int) -> list[float]:
    """Return the level in dB per 5 ms of a signal [frames], relative to the loudest, at least ``-_FLOOR_DB``."""
    hop = max(1, round(_HOP_SECONDS * sample_rate))
    padded = np.pad(signal, (0, -len(signal) % hop)).reshape(-1, hop)
    energies = np.einsum("ij,ij->i", padded, padded).astype(np.float64)
    window = np.hanning(_WINDOW_HOPS + 2)[1:-1]
    smooth = np.convolve(energies, window / window.sum(), "same")[: len(energies)]
    loudest = smooth.max()
    if loudest <= 0:
        return []
    levels: list[float] = (10 * np.log10(np.maximum(smooth / loudest, 10 ** (-_FLOOR_DB / 10)))).tolist()
    return levels


def _count_peaks(levels: list[float], rule: _Rule) -> int:
    """Return the number of peaks that meet a rule, in one pass from peak to valley to peak."""
    peaks: list[int] = []
    rising, position, peak, valley = True, 0, -np.inf, -_FLOOR_DB
    for index, level in enumerate([*levels, -np.inf]):
        if rising:
            if level > peak:
                position, peak = index, level
            elif level < peak - rule.rise_db:
                rising, valley = False, level
                if peak >= -rule.within_db and (not peaks or position - peaks[-1] >= rule.spacing_hops):
                    peaks.append(position)
        else:
            valley = min(valley, level)
            before = min(levels[max(0, index - _ATTACK_HOPS) : index], default=-_FLOOR_DB)
            if level > max(valley, before) + rule.rise_db:
                rising, position, peak = True, index, level
    return len(peaks)
