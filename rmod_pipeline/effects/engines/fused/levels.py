"""Levels of audio, and its conversion to 16 bit: the same numbers as in ``rmod_pipeline/audio.py``, in one pass.

All audio is [2, frames] float32 and all PCM [2, frames] int16, with contiguous channels.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import SILENCE_DB, Audio, Pcm
from rmod_pipeline.effects.engines.fused.compiled import kernel
from rmod_pipeline.effects.engines.fused.mixing import SUM_FRAMES, measure
from rmod_pipeline.effects.engines.fused.vectors import (
    absolute,
    fill,
    lane,
    larger,
    load,
    load_float,
    load_shorts,
    rounded,
    smaller,
    store_shorts,
    where_larger,
)

FULL_SCALE = 32767.0
BLOCK_SECONDS, OVERLAP = 0.4, 0.75
"""Blocks of the loudness, ITU-R BS.1770-4."""
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
LOUDNESS_OFFSET = -0.691


@kernel
def _to_shorts(source: Any, to: Any, frames: Any) -> None:
    """Round a channel of float audio to 16 bit, clipped."""
    scale, one, minus_one = np.float32(FULL_SCALE), np.float32(1), np.float32(-1)
    whole = frames - frames % 8
    for frame in range(0, whole, 8):
        x = larger(smaller(load(source + frame * 4), fill(one)), fill(minus_one))
        store_shorts(to + frame * 2, rounded(x * fill(scale)))


@kernel
def _measure_shorts(left: Any, right: Any, frames: Any, out: Any) -> None:
    """Write to ``out``: sums of squares of left, right, middle and side; peak, clipped samples, range of the mean."""
    scale, half = fill(np.float32(FULL_SCALE)), fill(np.float32(0.5))
    zero, one = fill(np.float32(0)), fill(np.float32(1))
    almost = fill(np.float32(FULL_SCALE - 0.5))
    squares_left = squares_right = squares_middle = squares_side = clipped = 0.0
    highest, lowest = fill(np.float32(-2)), fill(np.float32(2))
    peak = zero
    for start in range(0, frames, SUM_FRAMES):
        sum_left = sum_right = sum_middle = sum_side = count = zero
        for frame in range(start, min(start + SUM_FRAMES, frames), 8):
            whole_l, whole_r = load_shorts(left + frame * 2), load_shorts(right + frame * 2)
            x, y = whole_l / scale, whole_r / scale
            middle, side = (x + y) * half, (x - y) * half
            sum_left, sum_right = sum_left + x * x, sum_right + y * y
            sum_middle, sum_side = sum_middle + middle * middle, sum_side + side * side
            peak = larger(peak, larger(absolute(x), absolute(y)))
            highest, lowest = larger(highest, middle), smaller(lowest, middle)
            count = count + where_larger(absolute(whole_l), almost, one, zero)
            count = count + where_larger(absolute(whole_r), almost, one, zero)
        for index in range(8):
            squares_left += np.float64(lane(sum_left, index))
            squares_right += np.float64(lane(sum_right, index))
            squares_middle += np.float64(lane(sum_middle, index))
            squares_side += np.float64(lane(sum_side, index))
            clipped += np.float64(lane(count, index))
    out[0], out[1], out[2], out[3], out[5] = squares_left, squares_right, squares_middle, squares_side, clipped
    out[4], out[6], out[7] = lane(peak, 0), lane(highest, 0), lane(lowest, 0)
    for index in range(1, 8):
        out[4] = max(out[4], lane(peak, index))
        out[6] = max(out[6], lane(highest, index))
        out[7] = min(out[7], lane(lowest, index))


@kernel
def _sum_mono(left: Any, right: Any, start: Any, end: Any) -> Any:
    """Return the sum of squares of the mean of two channels over [start, end)."""
    half = np.float32(0.5)
    total = fill(np.float32(0))
    frame = start
    while frame + 8 <= end:
        mono = (load(left + frame * 4) + load(right + frame * 4)) * fill(half)
        total = total + mono * mono
        frame += 8
    squares = 0.0
    for index in range(8):
        squares += np.float64(lane(total, index))
    while frame < end:
        last = (load_float(left + frame * 4) + load_float(right + frame * 4)) * half
        squares += np.float64(last) * np.float64(last)
        frame += 1
    return squares


@kernel
def _weigh(left: Any, right: Any, bounds: Any, sums: Any, c: Any) -> None:
    """Write the sums of squares of two K-weighted 16-bit channels between bounds [n + 1]: to sums [2, n].

    c [2, 5]: b0, b1, b2, a1, a2 of two sections.
    """
    p1 = p2 = q1 = q2 = r1 = r2 = s1 = s2 = 0.0
    scale = np.float32(FULL_SCALE)
    for number in range(bounds.size - 1):
        first = second = 0.0
        for frame in range(bounds[number], bounds[number + 1]):
            x, z = np.float64(left[frame] / scale), np.float64(right[frame] / scale)
            y = c[0, 0] * x + p1
            p1, p2 = c[0, 1] * x - c[0, 3] * y + p2, c[0, 2] * x - c[0, 4] * y
            x = c[1, 0] * y + q1
            q1, q2 = c[1, 1] * y - c[1, 3] * x + q2, c[1, 2] * y - c[1, 4] * x
            first += x * x
            y = c[0, 0] * z + r1
            r1, r2 = c[0, 1] * z - c[0, 3] * y + r2, c[0, 2] * z - c[0, 4] * y
            z = c[1, 0] * y + s1
            s1, s2 = c[1, 1] * y - c[1, 3] * z + s2, c[1, 2] * y - c[1, 4] * z
            second += z * z
        sums[0, number], sums[1, number] = first, second


def convert_to_pcm(audio: Audio) -> Pcm:
    """Return 16-bit samples as ``to_pcm`` does."""
    frames = audio.shape[1]
    pcm = np.empty(audio.shape, np.int16)
    for channel, result in zip(audio, pcm, strict=True):
        _to_shorts(channel.ctypes.data, result.ctypes.data, frames)
    rest = frames % 8
    if rest:
        last = np.rint(np.clip(audio[:, frames - rest :], -1, 1) * np.float32(FULL_SCALE))
        pcm[:, frames - rest :] = last.astype(np.int16)
    return pcm


def measure_samples(pcm: Pcm) -> tuple[float, float, float, float, int, float]:
    """Return peak, RMS, RMS of middle and of side, number of clipped samples, and swing of 16-bit audio [2, frames]."""
    frames = pcm.shape[1]
    padded = pcm if frames % 8 == 0 else np.pad(pcm, ((0, 0), (0, -frames % 8)), mode="edge")
    out = np.zeros(8)
    _measure_shorts(padded[0].ctypes.data, padded[1].ctypes.data, padded.shape[1], out)
    if padded is not pcm:
        # The padding repeats the last frame, so peaks are right, and its squares are taken off again.
        left, right = (np.float64(x) / FULL_SCALE for x in pcm[:, -1])
        extra = padded.shape[1] - frames
        out[:4] -= extra * np.array([left**2, right**2, ((left + right) / 2) ** 2, ((left - right) / 2) ** 2])
        out[5] -= extra * float(np.count_nonzero(np.abs(pcm[:, -1].astype(np.int32)) >= FULL_SCALE))
    squares = np.maximum(out[:4], 0) / frames
    level, middle, side = (math.sqrt(value) for value in ((squares[0] + squares[1]) / 2, squares[2], squares[3]))
    return float(out[4]), level, middle, side, round(out[5]), float(out[6] - out[7]) / 2


def measure_peak_and_rms(audio: Audio) -> tuple[float, float]:
    """Return the peak and the RMS of audio [channels, frames]."""
    levels = [measure(channel.ctypes.data, channel.size) for channel in audio]
    return max(peak for _, peak in levels), math.sqrt(sum(squares for squares, _ in levels) / audio.size)


def measure_mono_rms(audio: Audio, start: int, end: int) -> float:
    """Return the RMS of stereo audio in mono from ``start`` to ``end``; 0 for no frames."""
    end = min(end, audio.shape[1])
    if end <= start:
        return 0.0
    return math.sqrt(_sum_mono(audio[0].ctypes.data, audio[1].ctypes.data, start, end) / (end - start))


def measure_k_weighted(pcm: Pcm, sample_rate: int) -> float:
    """Return the integrated loudness of 16-bit stereo audio in LUFS, as pyloudnorm does; ``SILENCE_DB`` for silence."""
    frames = pcm.shape[1]
    starts, ends = _list_blocks(frames, sample_rate)
    bounds = np.unique(np.concatenate([starts, ends]))
    sums = np.zeros((2, bounds.size - 1))
    _weigh(pcm[0], pcm[1], bounds, sums, _k_weighting(sample_rate))
    totals = np.concatenate([np.zeros((2, 1)), np.cumsum(sums, axis=1)], axis=1)
    first, last = np.searchsorted(bounds, starts), np.searchsorted(bounds, ends)
    powers = (totals[:, last] - totals[:, first]).sum(axis=0) / (BLOCK_SECONDS * sample_rate)
    loud = powers[powers > _to_power(ABSOLUTE_GATE)]
    if not loud.size:
        return SILENCE_DB
    loud = loud[loud > loud.mean() * 10 ** (RELATIVE_GATE / 10)]
    return max(LOUDNESS_OFFSET + 10 * math.log10(float(loud.mean())), SILENCE_DB)


def _to_power(loudness: float) -> float:
    return float(10 ** ((loudness - LOUDNESS_OFFSET) / 10))


@cache
def _list_blocks(frames: int, sample_rate: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first frames of all blocks, and the frames after their last."""
    step = 1.0 - OVERLAP
    count = int(np.round((frames / sample_rate - BLOCK_SECONDS) / (BLOCK_SECONDS * step)) + 1)
    starts = [int(BLOCK_SECONDS * (number * step) * sample_rate) for number in range(count)]
    ends = [int(BLOCK_SECONDS * (number * step + 1) * sample_rate) for number in range(count)]
    return np.array(starts, np.int64), np.minimum(np.array(ends, np.int64), frames)


@cache
def _k_weighting(sample_rate: int) -> NDArray[np.float64]:
    """Return the two sections of the K-weighting [2, 5]: b0, b1, b2, a1, a2."""
    import pyloudnorm

    meter = pyloudnorm.Meter(sample_rate)
    return np.array([[*stage.b, *stage.a[1:]] for stage in meter._filters.values()])
