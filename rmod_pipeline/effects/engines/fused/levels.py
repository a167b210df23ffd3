"""Levels of audio, and its conversion to 16 bit: the same numbers as in ``rmod_pipeline/audio.py``, in fewer passes.

All PCM is [2, frames] int16, with contiguous channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import SILENCE_DB, Audio, Pcm
from rmod_pipeline.effects.engines.fused.kernels.layout import BLOCK_FRAMES, FULL_SCALE, VECTOR_FLOATS
from rmod_pipeline.effects.engines.fused.rows import Channels
from rmod_pipeline.effects.engines.fused.table import measure_shorts, sum_weighted, to_shorts

BLOCK_SECONDS, OVERLAP = 0.4, 0.75
"""Blocks of the loudness, ITU-R BS.1770-4."""
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
LOUDNESS_OFFSET = -0.691


def convert_to_pcm(audio: Audio) -> Pcm:
    """Return 16-bit samples [channels, frames] as ``to_pcm`` does."""
    audio = np.ascontiguousarray(audio, np.float32)
    frames = audio.shape[1]
    whole, pcm = frames - frames % VECTOR_FLOATS, np.empty(audio.shape, np.int16)
    broken = np.zeros(1, np.int64)
    for channel, result in zip(audio, pcm, strict=True):
        to_shorts(channel.ctypes.data, 1.0, result.ctypes.data, whole, broken.ctypes.data)
    last = np.rint(np.clip(audio[:, whole:], -1, 1) * np.float32(FULL_SCALE))
    pcm[:, whole:] = last.astype(np.int16)
    return pcm


def convert_channels(channels: Channels) -> tuple[Pcm, bool]:
    """Return two channels in 16 bit [2, frames], and whether all their frames are finite."""
    frames = channels[0].row.pool.frames
    pcm = np.empty((2, -(-frames // VECTOR_FLOATS) * VECTOR_FLOATS), np.int16)
    broken = np.zeros(1, np.int64)
    for channel, result in zip(channels, pcm, strict=True):
        to_shorts(channel.row.address, channel.gain, result.ctypes.data, result.size, broken.ctypes.data)
    return pcm[:, :frames], not broken[0]


def measure_samples(pcm: Pcm) -> tuple[float, float, float, float, int, float]:
    """Return peak, RMS, RMS of middle and of side, number of clipped samples, and swing of 16-bit audio [2, frames]."""
    frames, pcm = pcm.shape[1], _in_rows(pcm)
    padded = pcm
    if frames % VECTOR_FLOATS:
        padded = np.empty((2, frames + -frames % VECTOR_FLOATS), np.int16)
        padded[:, :frames], padded[:, frames:] = pcm, pcm[:, -1:]
    out = np.zeros(8)
    measure_shorts(padded[0].ctypes.data, padded[1].ctypes.data, padded.shape[1], out.ctypes.data)
    if padded is not pcm:
        # The padding repeats the last frame, so peaks are right, and its squares are taken off again.
        left, right = (np.float64(x) / FULL_SCALE for x in pcm[:, -1])
        extra = padded.shape[1] - frames
        out[:4] -= extra * np.array([left**2, right**2, ((left + right) / 2) ** 2, ((left - right) / 2) ** 2])
        out[5] -= extra * float(np.count_nonzero(np.abs(pcm[:, -1].astype(np.int32)) >= FULL_SCALE))
    squares = np.maximum(out[:4], 0) / frames
    level, middle, side = (math.sqrt(value) for value in ((squares[0] + squares[1]) / 2, squares[2], squares[3]))
    return float(out[4]), level, middle, side, round(out[5]), float(out[6] - out[7]) / 2


def _in_rows(pcm: Pcm) -> Pcm:
    """Return 16-bit audio whose channels are contiguous, as kernels need them."""
    return pcm if pcm.dtype == np.int16 and pcm.strides[1] == pcm.itemsize else np.ascontiguousarray(pcm, np.int16)


def integrate_loudness(pcms: Sequence[Pcm], sample_rate: int) -> list[float]:
    """Return the integrated loudness in LUFS of 16-bit stereo audio of equal lengths, 0.4 s at least.

    As pyloudnorm does; ``SILENCE_DB`` for silence. Four of them take as long as one.
    """
    found: list[float] = []
    for start in range(0, len(pcms), VECTOR_FLOATS // 2):
        found += _measure_together(pcms[start : start + VECTOR_FLOATS // 2], sample_rate)
    return found


def _measure_together(pcms: Sequence[Pcm], sample_rate: int) -> list[float]:
    """Measure four at most."""
    frames = pcms[0].shape[1]
    starts, ends = _list_blocks(frames, sample_rate)
    bounds = np.unique(np.concatenate([starts, ends]))
    spare = -frames % VECTOR_FLOATS
    padded = [np.pad(pcm, ((0, 0), (0, spare))) if spare else _in_rows(pcm) for pcm in pcms]
    addresses = [channel.ctypes.data for pcm in padded for channel in pcm]
    rows = np.array(addresses + addresses[:1] * (VECTOR_FLOATS - len(addresses)), np.int64)
    sums = np.zeros((bounds.size - 1, VECTOR_FLOATS))
    scratch = np.zeros(BLOCK_FRAMES * VECTOR_FLOATS * 4 + 5 * VECTOR_FLOATS * 8, np.uint8)
    coefficients = _k_weighting(sample_rate)
    places = [each.ctypes.data for each in (bounds, sums, coefficients, scratch)]
    sum_weighted(rows.ctypes.data, frames, places[0], len(sums), *places[1:])
    totals = np.concatenate([np.zeros((1, VECTOR_FLOATS)), np.cumsum(sums, axis=0)])
    first, last = np.searchsorted(bounds, starts), np.searchsorted(bounds, ends)
    powers = (totals[last] - totals[first]) / (BLOCK_SECONDS * sample_rate)
    return [_gate(powers[:, 2 * number] + powers[:, 2 * number + 1]) for number in range(len(pcms))]


def _gate(powers: NDArray[np.float64]) -> float:
    """Return the loudness of blocks, of which the loud ones count."""
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
    """Return the two sections of the K-weighting [2, 5, 8]: b0, b1, b2, a1, a2, equal in all lanes.

    Those of pyloudnorm, which takes a second to import: a shelf of 4 dB above 1,500 Hz and a high-pass at 38 Hz, by the
    cookbook formulae of Robert Bristow-Johnson.
    """
    root = 10 ** (4.0 / 40)
    angle = 2 * math.pi * 1500.0 / sample_rate
    cosine, edge = math.cos(angle), 2 * math.sqrt(root) * math.sin(angle) / math.sqrt(2)
    plus, minus = root + 1, root - 1
    shelf = [root * (plus + minus * cosine + edge), -2 * root * (minus + plus * cosine)]
    shelf += [root * (plus + minus * cosine - edge), 2 * (minus - plus * cosine), plus - minus * cosine - edge]
    first = plus - minus * cosine + edge
    angle = 2 * math.pi * 38.0 / sample_rate
    cosine, alpha = math.cos(angle), math.sin(angle)
    high_pass = [(1 + cosine) / 2, -(1 + cosine), (1 + cosine) / 2, -2 * cosine, 1 - alpha]
    sections = np.array([shelf, high_pass]) / np.array([[first], [1 + alpha]])
    return np.ascontiguousarray(np.repeat(sections[..., None], VECTOR_FLOATS, axis=2))
