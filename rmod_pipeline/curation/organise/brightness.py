"""Say in one word how bright and how long a sound is.

Brightness is the spectral centroid of the first two seconds from the onset on, from 60 Hz to 10 kHz: the mean
frequency, weighted by energy. It comes from the fingerprint that a scan measures, so no file is read for it again. The
limits of each kind divide real sounds of that kind into thirds (benchmarks/sound_brightness.py), because a bright kick
is darker than a dark hi-hat.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.library.audio_fingerprint import FINGERPRINT_SIZE, MEL_BANDS, band_centres_hz

BRIGHTNESS_WORDS = ("dark", "warm", "bright")
LENGTH_WORDS = ("short", "medium", "long")

BRIGHTNESS_LIMITS_HZ: Mapping[str, tuple[float, float]] = {
    "kick": (160, 240),
    "snare": (500, 1_200),
    "clap": (1_800, 2_600),
    "rim": (1_400, 2_300),
    "hihat": (5_000, 6_600),
    "tom": (200, 300),
    "cymbal": (4_100, 5_900),
    "cowbell": (700, 1_500),
    "tambourine": (5_500, 6_200),
    "shaker": (6_400, 7_600),
    "conga": (270, 410),
    "bass": (190, 280),
    "guitar": (340, 580),
    "piano": (470, 560),
    "vocal": (600, 820),
}
"""From the first limit on a sound of the kind is warm, from the second one on bright."""

OTHER_LIMITS_HZ = (330.0, 1_700.0)
"""The limits of every other kind, and of unknown ones: the thirds of all sounds together."""

LENGTH_LIMITS_SECONDS = (0.3, 1.0)
"""From the first limit on a sound is medium, from the second one on long."""

_FLOOR_DB = -39.9
"""Bands at the floor of the fingerprint hold nothing that is heard."""


def measure_centroid(fingerprint: bytes) -> float:
    """Return the spectral centroid in Hz of a sound, given by its fingerprint; 0 for silence."""
    levels = np.frombuffer(fingerprint, np.float32, FINGERPRINT_SIZE)[:MEL_BANDS].astype(np.float64)
    energies: NDArray[np.float64] = np.where(levels > _FLOOR_DB, 10 ** (levels / 10), 0.0)
    if not levels.any():
        return 0.0  # silence has a fingerprint of zeros
    return float(energies @ band_centres_hz() / energies.sum())


def describe_brightness(centroid_hz: float, kind: str) -> str:
    """Return the word for a centroid among the sounds of a kind; the kind may be unknown."""
    return _choose_word(centroid_hz, BRIGHTNESS_LIMITS_HZ.get(kind, OTHER_LIMITS_HZ), BRIGHTNESS_WORDS)


def describe_length(seconds: float) -> str:
    """Return the word for the length of a sound."""
    return _choose_word(seconds, LENGTH_LIMITS_SECONDS, LENGTH_WORDS)


def _choose_word(value: float, limits: tuple[float, float], words: tuple[str, str, str]) -> str:
    return words[sum(value >= limit for limit in limits)]
