"""Arrays of audio: one shape everywhere, and the few measures that every room needs.

Audio is float32 [channels, frames], full scale at 1.0, one or two channels. Decibels are relative to full scale;
silence is ``SILENCE_DB`` and not minus infinity, so that levels survive JSON and arithmetic.
"""

from __future__ import annotations

import math
import platform
from functools import cache

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]
Pcm = NDArray[np.int16]

SILENCE_DB = -120.0

_BLOCK = 1024


@cache
def processor() -> str:
    """Return the family of this machine's processor: within one, audio is promised to the bit.

    Not only its kind: numpy computes sines and the like by the widest vector instructions that it finds, and those of
    AVX-512 (X86_V4) round otherwise than those of AVX2 (X86_V3), so that a loop's shift in pitch differs.
    """
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    levels = [name for name in (*found["baseline"], *found["found"]) if name.startswith("X86_V")]
    return " ".join([platform.machine(), platform.system(), *levels[-1:]])


def db_to_gain(level_db: float) -> float:
    """Return the linear gain of a level in dB."""
    return float(10.0 ** (level_db / 20.0))


def gain_to_db(gain: float) -> float:
    """Return the level in dB of a linear gain, not below ``SILENCE_DB``."""
    return max(20.0 * math.log10(gain), SILENCE_DB) if gain > 0 else SILENCE_DB


def rms(audio: Audio) -> float:
    """Return the root mean square over all channels and frames; 0 for no frames.

    Squares are summed in float32 over short blocks and in float64 over the blocks: twice as fast as float64 throughout,
    and as exact as a 16-bit sample can tell.
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


def to_channels(audio: Audio, channels: int) -> Audio:
    """Return the audio with 1 or 2 channels: mono is copied to both, stereo is averaged."""
    if audio.shape[0] == channels:
        return audio
    if channels == 1:
        return audio.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.repeat(audio[:1], channels, axis=0)


def fit(audio: Audio, frames: int) -> Audio:
    """Return exactly ``frames`` frames: cut, or padded with silence at the end."""
    have = audio.shape[1]
    if have >= frames:
        return audio[:, :frames]
    return np.pad(audio, ((0, 0), (0, frames - have)))


def to_pcm(audio: Audio) -> Pcm:
    """Return 16-bit samples, rounded to nearest and clipped, without dither.

    Full scale is 32767 in both directions, so that silence stays 0 and a polarity flip stays exact.
    """
    return np.rint(np.clip(audio, -1.0, 1.0) * np.float32(32767.0)).astype(np.int16)


def from_pcm(pcm: Pcm) -> Audio:
    """Return the float audio of 16-bit samples; undoes ``to_pcm`` to within half a step."""
    return pcm.astype(np.float32) / np.float32(32767.0)
