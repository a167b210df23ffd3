"""Find the attacks of hits: peaks of the spectral flux first, then the exact sample in the wave.

    coarse = pick_onsets(levels)                        # frames, to within about 10 ms
    exact = merge_near(refine_onsets(song, survey, coarse), rate)      # frames, to within about 1 ms

A peak of the flux counts if it is the largest within 20 ms, if it rises above the mean flux of 50 ms to each side, and
if the level of the wave or of its slope rises there too, from 12 ms to the next. The exact attack is where the wave
changes from one variance to another: the Akaike information criterion of seismology (Maeda 1985), here summed over the
wave and its slope, because one shows low attacks and the other high ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.harvest.results import SongLevels, SongSurvey
from rmod_pipeline.curation.harvest.song import mix_to_one, read_ranges
from rmod_pipeline.extraction.listening.song import Song

LEAST_FLUX_DB = 0.7
"""Least height of a peak of the flux above its surroundings; see docs/lab/harvest.md."""
LEAST_RISE_DB = 1.5
"""Least rise of the level, in the wave or in its slope, near a peak: the flux of noise and of cymbals has peaks too."""
DISTANCE_SECONDS = 0.02
"""Least distance of two onsets. Strikes that are nearer count as one hit."""
SURROUNDINGS_SECONDS = 0.05
"""How far the surroundings of a peak reach to each side."""

SEARCH_BEFORE_SECONDS = 0.025
"""How far before a peak of the flux its attack may be."""
SEARCH_AFTER_SECONDS = 0.02

_RISE_HOPS = 4
_EARLIEST_RISE, _LATEST_RISE = -3, 1
"""Hops around a peak of the flux at which the level may rise."""
_SILENCE = 1e-14
_NEIGHBOUR_SECONDS = 0.003
_ENVELOPE_SECONDS = 0.002
_PEAK_MARGIN_SECONDS = 0.003
_QUIET = 1e-10
"""Variance, relative to the largest square, that counts as silence: digital silence has none."""


def pick_onsets(levels: SongLevels) -> NDArray[np.int64]:
    """Return the coarse frames of the onsets of a song, ascending."""
    seconds = levels.hop / levels.sample_rate
    reach = max(1, round(DISTANCE_SECONDS / seconds))
    flux = levels.flux.astype(np.float64)
    if not flux.size:
        return np.zeros(0, np.int64)
    neighbours = np.lib.stride_tricks.sliding_window_view(np.pad(flux, reach, constant_values=-1.0), 2 * reach + 1)
    # Of equal neighbours, argmax takes the first, so that two onsets are more than `reach` hops apart.
    is_peak = neighbours.argmax(axis=1) == reach
    surroundings = _moving_mean(flux, max(1, round(SURROUNDINGS_SECONDS / seconds)))
    is_onset = is_peak & (flux >= surroundings + LEAST_FLUX_DB)
    is_onset &= np.maximum(_measure_rise(levels.wave), _measure_rise(levels.difference)) >= LEAST_RISE_DB
    return np.flatnonzero(is_onset).astype(np.int64) * levels.hop


def refine_onsets(
    song: Song, survey: SongSurvey, coarse: Sequence[int] | NDArray[np.int64], before: float = SEARCH_BEFORE_SECONDS
) -> NDArray[np.int64]:
    """Return the exact frame of the attack near each coarse frame, which ascend. Reads the song once.

    before: seconds before a coarse frame from which on its attack is looked for.
    """
    if not len(coarse):
        return np.zeros(0, np.int64)
    rate = song.sample_rate
    reach, beyond = round(before * rate), round(SEARCH_AFTER_SECONDS * rate)
    margin = round(_NEIGHBOUR_SECONDS * rate)
    ranges = []
    for earlier, frame, later in zip(
        [-reach, *coarse[:-1]], coarse, [*coarse[1:], coarse[-1] + 2 * beyond], strict=True
    ):
        # Not into the attack of a neighbour, which may be the louder one.
        start, stop = max(frame - reach, earlier + margin, 0), min(frame + beyond, later - 2 * margin)
        ranges.append((int(start), int(max(stop, frame + margin))))
    parts = zip(coarse, ranges, read_ranges(song, survey, ranges), strict=True)
    found = [start + find_attack(mix_to_one(audio), rate, int(frame) - start) for frame, (start, _), audio in parts]
    return np.array(found, np.int64)


def merge_near(frames: NDArray[np.int64], sample_rate: int) -> NDArray[np.int64]:
    """Return the frames in ascending order, without those that are nearer to the one before than two onsets can be."""
    least = round(DISTANCE_SECONDS / 2 * sample_rate)
    kept: list[int] = []
    for frame in sorted({int(frame) for frame in frames}):
        if not kept or frame - kept[-1] >= least:
            kept.append(frame)
    return np.array(kept, np.int64)


def find_attack(mono: Mono, sample_rate: int, expected: int = 0) -> int:
    """Return the first sample of the attack in mono [samples] that holds one; 0 for less than 4 samples.

    expected: a sample near the attack or after it. The attack ends at the loudest moment from shortly before
    ``expected`` on; what follows is not looked at.
    """
    wave = mono.astype(np.float64)
    difference = np.diff(wave, prepend=wave[:1])
    if wave.size < 4:
        return 0
    length = max(1, round(_ENVELOPE_SECONDS * sample_rate))
    envelope = np.convolve(difference**2, np.ones(length), "same")
    first = min(max(round(0.6 * expected), 0), wave.size - 1)
    loudest = first + int(envelope[first:].argmax())
    end = min(wave.size, loudest + max(4, round(_PEAK_MARGIN_SECONDS * sample_rate)))
    return _split_by_variance(np.stack([wave[:end], difference[:end]]))


def _split_by_variance(signals: NDArray[np.float64]) -> int:
    """Return where signals [signals, samples] are split best into a part of one variance and a part of another.

    It minimises k log(variance before k) + (n - k) log(variance from k on), summed over the signals.
    """
    squares = signals**2
    count = squares.shape[1]
    before = np.arange(1, count)
    sums = np.cumsum(squares, axis=1)
    quiet = squares.max(axis=1, keepdims=True) * _QUIET + 1e-300
    first = sums[:, :-1] / before + quiet
    second = (sums[:, -1:] - sums[:, :-1]) / (count - before) + quiet
    criterion = (before * np.log(first) + (count - before) * np.log(second)).sum(axis=0)
    return int(criterion.argmin()) + 1


def _measure_rise(power: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the largest rise in dB near each hop [hops]: of four hops above the four hops before them."""
    padded = np.pad(power.astype(np.float64), (_RISE_HOPS, _RISE_HOPS - 1))
    means = np.lib.stride_tricks.sliding_window_view(padded, _RISE_HOPS).mean(axis=1) + _SILENCE
    rises = 10 * np.log10(means[_RISE_HOPS:] / means[:-_RISE_HOPS])
    around = np.pad(rises, (-_EARLIEST_RISE, _LATEST_RISE), constant_values=-np.inf)
    largest: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(
        around, _LATEST_RISE - _EARLIEST_RISE + 1
    ).max(axis=1)
    return largest


def _moving_mean(values: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return the mean over ``reach`` values to each side; at the ends, over those that there are."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(values.size)
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, values.size)
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means
