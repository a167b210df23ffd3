"""Audio arrays in one layout, and the level measures that every room needs.

Audio is float32 [channels, frames], full scale at 1.0, with one or two channels. Decibels are relative to full scale.
The level of silence is ``SILENCE_DB`` instead of minus infinity, so that levels survive JSON and arithmetic.
"""

from __future__ import annotations

import math
import platform
from functools import cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
"""[channels, frames], full scale at 1.0."""

Pcm = NDArray[np.int16]
"""[channels, frames], full scale at 32767."""

SILENCE_DB = -120.0

REST_FRAMES = 128
"""A sound that begins with this many constant frames rests at an offset."""
REST_DB = -60.0
"""Level of an offset and of changes, relative to the sound's peak, below which they do not count."""

ROW_STEP = 1024
"""The frames of a row are a multiple of this: the longest block of the fused engine."""
SPARE_FRAMES = 8
"""Frames after a row that the fused engine may read, but does not use."""

LINE_FRAMES = 16
"""Frames of a cache line, at which rows begin."""

_BLOCK = 1024
_NEAR_EXTREME = 0.05
_MAX_PULSE_SHARE = 0.4


@cache
def processor_family() -> str:
    """Return the processor family of this machine, such as ``x86_64 Linux X86_V3``. One family renders equal bits.

    The machine type alone is not enough: numpy computes sines and similar functions with the widest vector instructions
    it finds. AVX-512 (X86_V4) rounds differently from AVX2 (X86_V3), which changes a pitch-shifted loop.
    """
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    # A list that would be empty is absent: an old processor has no extension beside those of the baseline.
    names = (*simd.get("baseline", ()), *simd.get("found", ()))
    levels = [name for name in names if name.startswith("X86_V")]
    return " ".join([platform.machine(), platform.system(), *levels[-1:]])


def db_to_gain(level_db: float) -> float:
    """Return the linear gain of a level in dB."""
    return float(10.0 ** (level_db / 20.0))


def gain_to_db(gain: float) -> float:
    """Return the level in dB of a linear gain, at least ``SILENCE_DB``."""
    return max(20.0 * math.log10(gain), SILENCE_DB) if gain > 0 else SILENCE_DB


def rms(audio: Audio) -> float:
    """Return the root mean square over all channels and frames; 0 for no frames.

    Squares are summed in float32 over short blocks and in float64 over the blocks. This is twice as fast as float64
    throughout, and its error is below one 16-bit step.
    """
    if audio.size == 0:
        return 0.0
    flat = np.ascontiguousarray(audio).reshape(-1)
    blocks = flat[: flat.size - flat.size % _BLOCK].reshape(-1, _BLOCK)
    rest = flat[blocks.size :]
    squares = np.einsum("ij,ij->i", blocks, blocks).sum(dtype=np.float64) + np.einsum("i,i->", rest, rest)
    return math.sqrt(float(squares) / audio.size)


def peak(audio: Audio) -> float:
    """Return the largest absolute sample; 0 for no frames."""
    return float(max(audio.max(), -audio.min())) if audio.size else 0.0


def swing(audio: Audio) -> float:
    """Return half of the largest peak-to-peak amplitude of a channel: the peak without a constant offset."""
    return float((audio.max(axis=1) - audio.min(axis=1)).max()) / 2 if audio.size else 0.0


def find_offset(audio: Audio, rest_frames: int = REST_FRAMES) -> Audio:
    """Return the constant offset of each channel [channels, 1]; zeros for most sounds.

    A sound has an offset if its first ``rest_frames`` frames are constant at a level other than zero.
    """
    none = np.zeros((audio.shape[0], 1), dtype=np.float32)
    start = audio[:, :rest_frames]
    level = start.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
    # Most sounds are decided here: they begin with digital silence.
    if start.shape[1] < rest_frames or not level.any():
        return none
    above, below = audio.max(axis=1, keepdims=True) - level, level - audio.min(axis=1, keepdims=True)
    limit = max(float(above.max()), float(below.max())) * db_to_gain(REST_DB)
    is_resting = float(np.abs(start - level).max()) <= limit < float(np.abs(level).max())
    return level if is_resting and not _is_pulse(level, above, below) else none


def remove_offset(audio: Audio) -> Audio:
    """Return the audio without its constant offset; the same array if it has none."""
    offset = find_offset(audio)
    return audio - offset if offset.any() else audio


def _is_pulse(level: Audio, above: Audio, below: Audio) -> bool:
    """Return whether a sound that begins at ``level`` swings from there to the other side of zero, like a square wave.

    above, below [channels, 1]: how far the sound goes to each side of ``level``.
    """
    channel = int(np.abs(level).argmax())
    value, up, down = float(level[channel, 0]), float(above[channel, 0]), float(below[channel, 0])
    largest = max(up, down)
    is_extreme = min(up, down) < _NEAR_EXTREME * largest
    opposite = (down if value > 0 else up) - abs(value)
    return is_extreme and abs(value) > _MAX_PULSE_SHARE * largest and opposite > abs(value) / 2


def padded_frames(frames: int) -> int:
    """Return the frames of a row that holds ``frames`` frames of audio."""
    return -(-frames // ROW_STEP) * ROW_STEP


def fit_length(audio: Audio, frames: int) -> Audio:
    """Return exactly ``frames`` frames: cut the end, or pad it with silence."""
    length = audio.shape[1]
    if length >= frames:
        return audio[:, :frames]
    return np.pad(audio, ((0, 0), (0, frames - length)))


def make_silence(channels: int, frames: int) -> Audio:
    """Return silence [channels, frames] in rows, which the fused engine reads without a copy.

    After the frames of a channel, silence follows up to the end of its row.
    """
    padded = padded_frames(frames)
    memory = np.zeros(channels * padded + LINE_FRAMES + SPARE_FRAMES, np.float32)
    return align(memory, channels * padded).reshape(channels, padded)[:, :frames]


def make_room(channels: int, frames: int) -> Audio:
    """Return audio [channels, frames] in rows like those of ``make_silence``, whose frames hold anything."""
    padded = padded_frames(frames)
    memory = np.empty(channels * padded + LINE_FRAMES + SPARE_FRAMES, np.float32)
    rows = align(memory, channels * padded).reshape(channels, padded)
    rows[:, frames:] = 0
    return rows[:, :frames]


def align(memory: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Return ``size`` floats of memory from its first cache line on: a vector that crosses two lines takes longer.

    memory: at least ``LINE_FRAMES`` more.
    """
    start = -memory.ctypes.data // memory.itemsize % LINE_FRAMES
    return memory[start : start + size]


def to_channels(audio: Audio, channels: int) -> Audio:
    """Return the audio with 1 or 2 channels: mono is copied to both channels, stereo is averaged."""
    if audio.shape[0] == channels:
        return audio
    if channels == 1:
        mono: Audio = audio.mean(axis=0, keepdims=True, dtype=np.float32)
        return mono
    return np.repeat(audio[:1], channels, axis=0)


def to_pcm(audio: Audio) -> Pcm:
    """Return 16-bit samples, rounded to nearest and clipped, without dither.

    Full scale is 32767 in both directions, so that silence stays 0 and a polarity flip stays exact.
    """
    pcm: Pcm = np.rint(np.clip(audio, -1.0, 1.0) * np.float32(32767.0)).astype(np.int16)
    return pcm


def from_pcm(pcm: Pcm) -> Audio:
    """Return 16-bit samples as float audio. This undoes ``to_pcm`` to within half a step."""
    return pcm.astype(np.float32) / np.float32(32767.0)
