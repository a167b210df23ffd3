"""Measure how alone a hit is in its song.

    isolation = before * after * alone                  each 0..1

before = clip((attack level - level before the attack) / FULL_DB, 0, 1)
    The level before is the loudest within 20 ms before the attack. So it falls as an earlier sound is louder, decays
    more slowly, or was struck more recently.
after = clip((attack level - level at the end of the cut) / FULL_DB, 0, 1)
    The level at the end is the loudest within the last 20 ms of the cut. So it says how much of the decay is there
    before the next hit, the end of the song or the longest length cuts it off.
alone = clip((0.6 - chance of several drums) / 0.5, 0, 1)
    A small network hears in the cut how likely several drums were struck at once; see ``strikes.py``. It is 0 if the
    cut has several hits of like strength (``library/hits.py``). An annotation of the song knows better: then it is 0
    for several strikes within 20 ms, and 1 for one.

The attack level is the loudest within 50 ms from the attack on, before the cut ends. Levels are means over 9 ms. Both
factors are measured in the wave, where low drums are loud, and in its slope, where high ones are, and the smaller one
counts: a ride that rings under a kick is not heard in its wave, and a kick under a hi-hat not in its slope.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.harvest.cut import ATTACK_SECONDS, hops_within
from rmod_pipeline.curation.harvest.results import Cut, Isolation, SongLevels

FULL_DB = 30.0
"""A hit that is this far above what is before it, or that has decayed by this much, is fully isolated on that side."""
EDGE_SECONDS = 0.02

_MEAN_HOPS = 3
_SILENCE = 1e-14


def measure_isolation(cut: Cut, levels: SongLevels) -> Isolation:
    """Return how alone the hit of a cut is in time; 0 for a song that is shorter than a hop."""
    if not levels.wave.size:
        return Isolation(before=0.0, after=0.0)
    sides = [_measure_sides(signal, cut, levels) for signal in (levels.wave, levels.difference)]
    before, after = (min(side) for side in zip(*sides, strict=True))
    return Isolation(before=round(before, 4), after=round(after, 4))


def _measure_sides(power: NDArray[np.float32], cut: Cut, levels: SongLevels) -> tuple[float, float]:
    """Return the factors before and after, measured in one signal [hops]."""
    edge, rate = round(EDGE_SECONDS * levels.sample_rate), levels.sample_rate
    attack = _loudest(power, hops_within(levels, cut.attack, min(cut.attack + round(ATTACK_SECONDS * rate), cut.stop)))
    # The hop of the attack holds some of it. At the beginning of a song, nothing is before.
    last = cut.attack // levels.hop
    first = max(last - max(1, edge // levels.hop), 0)
    before = _loudest(power, slice(first, last)) if last > first else 0.0
    after = _loudest(power, hops_within(levels, max(cut.stop - edge, cut.attack), cut.stop))
    return _share_of_full(attack, before), _share_of_full(attack, after)


def _loudest(power: NDArray[np.float32], hops: slice) -> float:
    """Return the largest mean of three neighbouring hops, or of all if there are fewer."""
    values = power[hops].astype(np.float64)
    if not values.size:
        return 0.0
    if values.size <= _MEAN_HOPS:
        return float(values.mean())
    return float(np.convolve(values, np.full(_MEAN_HOPS, 1 / _MEAN_HOPS), "valid").max())


def _share_of_full(attack: float, other: float) -> float:
    distance = 10 * np.log10(max(attack, _SILENCE) / max(other, _SILENCE))
    return float(np.clip(distance / FULL_DB, 0, 1))
