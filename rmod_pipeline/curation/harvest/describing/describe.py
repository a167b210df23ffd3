"""Describe a hit by the levels of mel bands in five segments after its attack: 200 bytes.

    description = describe_hit(mono, sample_rate, attack)
    distance = np.sqrt(((description - other) ** 2).mean()) * STEP_DB     # RMS difference in dB

The segments grow from 12 to 220 ms, as the ear's interest in a drum does: the attack in detail, the decay in outline.
Levels are relative to the loudest band of the hit, so that a quiet and a loud hit of one drum are alike.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.library.read import resample

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Description = NDArray[np.uint8]
"""[values]: levels in steps of ``STEP_DB`` above ``RANGE_DB`` below the loudest, segment by segment, bass first."""

RATE = 44_100
"""Sample rate that sounds are described at."""
SEGMENTS_SECONDS = ((0.0, 0.012), (0.012, 0.035), (0.035, 0.08), (0.08, 0.18), (0.18, 0.4))
"""Begin and end of each segment after the attack."""
BANDS = 40
RANGE_DB = 70.0
STEP_DB = 0.5
DESCRIPTION_SIZE = len(SEGMENTS_SECONDS) * BANDS

_LEAD = 44
"""Samples before the attack that the first segment begins with."""
_LEAST_TRANSFORM = 2048


def describe_hit(mono: Mono, sample_rate: int, attack: int) -> Description:
    """Return the description of mono [samples] whose attack begins at the sample ``attack``; zeros for silence."""
    lead = round(_LEAD * sample_rate / RATE)
    length = lead + round(SEGMENTS_SECONDS[-1][1] * sample_rate)
    start = attack - lead
    part = np.pad(mono[max(start, 0) : max(start + length, 0)], (max(-start, 0), 0))
    sound = resample(part[None], sample_rate, RATE)[0]
    power = np.stack([_measure_segment(sound, *seconds) for seconds in SEGMENTS_SECONDS])
    loudest = float(power.max())
    if loudest <= 0:
        return np.zeros(DESCRIPTION_SIZE, np.uint8)
    levels = 10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE_DB / 10))) + RANGE_DB
    description: Description = np.rint(levels / STEP_DB).astype(np.uint8).reshape(-1)
    return description


def _measure_segment(sound: Mono, begin: float, end: float) -> NDArray[np.float64]:
    """Return the mean power of every band [BANDS] in a segment of a sound that is silent after its end."""
    first, last = round(begin * RATE) + (_LEAD if begin else 0), round(end * RATE) + _LEAD
    length = last - first
    segment = np.zeros(length, np.float64)
    present = sound[first:last]
    segment[: present.size] = present
    window = _segment_window(length, not begin)
    transform = max(_LEAST_TRANSFORM, 1 << (length - 1).bit_length())
    spectrum = np.fft.rfft(segment * window, transform)
    power = spectrum.real**2 + spectrum.imag**2
    bands: NDArray[np.float64] = _band_weights(transform) @ power
    return bands


@cache
def _segment_window(length: int, holds_attack: bool) -> NDArray[np.float64]:
    """Return a window [length] of unit energy, which fades nothing in if the segment holds the attack."""
    window = np.hanning(length + 2)[1:-1]
    if holds_attack:
        window[: length // 2] = 1.0
    unit: NDArray[np.float64] = window / np.sqrt((window**2).sum())
    return unit


@cache
def _band_weights(transform: int) -> csr_array:
    """Return the weights of each band, whose sum is 1: [BANDS, transform // 2 + 1].

    Sparse, because its product adds in one order whatever the number of threads.
    """
    import librosa
    from scipy.sparse import csr_array

    filters = librosa.filters.mel(sr=RATE, n_fft=transform, n_mels=BANDS, fmin=30.0, fmax=16_000.0, norm=None)
    return csr_array((filters / filters.sum(axis=1, keepdims=True)).astype(np.float64))
