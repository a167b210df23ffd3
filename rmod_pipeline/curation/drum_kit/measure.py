"""Measure what a sound is tuned by: its audible length, the centre of its spectrum, its loudness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import SILENCE_DB
from rmod_pipeline.codec.window import Mono

RATE = 44_100
"""Of every sound of a kit, in Hz."""

AUDIBLE_DB = -40.0
"""A sound ends where its level falls below this, relative to its loudest moment."""

_FRAME = 441
"""Samples per level: 10 ms."""
_CENTRE_SAMPLES = 1 << 14
"""The spectrum is that of this many samples from the onset: 0.37 s."""
_LOWEST_HZ, _HIGHEST_HZ = 30.0, 16_000.0
_LOUDNESS_SAMPLES = 1 << 12
"""Loudness is that of the loudest frame of this length: 93 ms."""

# The filters of ITU-R BS.1770-4 at 48 kHz: numerator and denominator of the shelf and of the high pass.
_K_FILTERS = (
    ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585)),
    ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621)),
)
_K_RATE = 48_000
_K_OFFSET_DB = -0.691


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundShape:
    """The properties of a sound that tuning changes."""

    seconds: float
    """From the beginning to the last moment that is louder than ``AUDIBLE_DB`` below the loudest."""
    centre_hz: float
    """The mean of log frequency, weighted by power, as a frequency. A shift by 12 semitones doubles it."""
    loudness_db: float
    """K-weighted level of the loudest 93 ms, in LUFS."""


def measure_shape(sound: Mono) -> SoundShape:
    """Return the shape of a sound [samples] at 44.1 kHz that begins at its onset."""
    return SoundShape(
        seconds=audible_samples(sound) / RATE, centre_hz=find_centre(sound), loudness_db=measure_pad_loudness(sound)
    )


def audible_samples(sound: Mono) -> int:
    """Return how many samples of a sound [samples] are audible, in steps of 10 ms; 0 for silence."""
    power = _frame_powers(sound)
    if not power.max(initial=0.0) > 0:
        return 0
    last = int(np.flatnonzero(power > power.max() * 10 ** (AUDIBLE_DB / 10))[-1])
    return min((last + 1) * _FRAME, sound.size)


def loudest_seconds(sound: Mono) -> float:
    """Return when a sound [samples] is loudest, in steps of 10 ms; 0 for silence."""
    return float(_frame_powers(sound).argmax() * _FRAME / RATE) if sound.size else 0.0


def find_centre(sound: Mono) -> float:
    """Return the centre of the spectrum of a sound [samples] in Hz; the geometric middle of the range for silence."""
    part = sound[:_CENTRE_SAMPLES].astype(np.float64)
    power = np.abs(np.fft.rfft(part, _CENTRE_SAMPLES)) ** 2
    hz = np.fft.rfftfreq(_CENTRE_SAMPLES, 1 / RATE)
    inside = (hz >= _LOWEST_HZ) & (hz <= _HIGHEST_HZ)
    weights, octaves = power[inside], np.log2(hz[inside])
    total = float(weights.sum())
    if not total > 0:
        return float(np.sqrt(_LOWEST_HZ * _HIGHEST_HZ))
    return float(2.0 ** (float((weights * octaves).sum()) / total))


def measure_pad_loudness(sound: NDArray[np.float32]) -> float:
    """Return the K-weighted level of the loudest 93 ms of a sound [samples] at 44.1 kHz, in LUFS (ITU-R BS.1770-4).

    ``SILENCE_DB`` for silence. The frames overlap by half and are padded with silence at the end.
    """
    hop = _LOUDNESS_SAMPLES // 2
    padded = np.pad(sound, (0, _LOUDNESS_SAMPLES)).astype(np.float64)
    loudest = 0.0
    for start in range(0, max(sound.size, 1), hop):
        spectrum = np.fft.rfft(padded[start : start + _LOUDNESS_SAMPLES])
        # By Parseval's theorem; each bin but the first and the last stands for two.
        power = 2 * float((np.abs(spectrum) ** 2 * _k_weights()).sum()) / _LOUDNESS_SAMPLES**2
        loudest = max(loudest, power)
    return max(_K_OFFSET_DB + 10 * float(np.log10(loudest)), SILENCE_DB) if loudest > 0 else SILENCE_DB


def _frame_powers(sound: Mono) -> NDArray[np.float64]:
    """Return the mean square of each 10 ms of a sound [samples]."""
    frames = np.pad(sound, (0, -sound.size % _FRAME)).reshape(-1, _FRAME).astype(np.float64)
    powers: NDArray[np.float64] = (frames**2).mean(axis=1)
    return powers


@cache
def _k_weights() -> NDArray[np.float64]:
    """Return the power gain of the K filters at each bin of a frame."""
    angle = np.exp(-2j * np.pi * np.fft.rfftfreq(_LOUDNESS_SAMPLES, 1 / RATE) / _K_RATE)
    gain = np.ones(angle.size)
    for numerator, denominator in _K_FILTERS:
        response = np.polyval(numerator[::-1], angle) / np.polyval(denominator[::-1], angle)
        gain *= np.abs(response) ** 2
    return gain
