"""What an effect asks of the fused engine: one step, with the parameters of its kernel. Imports no numba.

An effect's file maps its record to a step (``EffectKind.fused``). Effects without one are applied by their own
function, at their place in the chain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

LEAST_MILLISECONDS = 0.001
"""A shorter time constant keeps nothing."""


@dataclass(frozen=True, slots=True)
class Section:
    """One second-order section, float32: y = b0 x + s1; s1 = (b1 x - a1 y) + s2; s2 = b2 x - a2 y."""

    b0: float
    b1: float
    b2: float
    a1: float
    a2: float

    @classmethod
    def divided(cls, b: tuple[np.float32, ...], a: tuple[np.float32, ...]) -> Section:
        """Return the section of a numerator and a denominator, which is divided by its first number, in float32."""
        scale = np.float32(1) / a[0]
        numbers = [float(np.float32(number * scale)) for number in (*b, *a[1:])]
        return cls(*numbers)


@dataclass(frozen=True, slots=True)
class Filtering:
    """Sections in series."""

    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Compression:
    """The gain (level / threshold) ** exponent above a threshold; the level follows the peaks."""

    threshold: float
    """Linear."""
    exponent: float
    """1 / ratio - 1."""
    attack: float
    """Share of the last level that is kept per frame while the level rises, 0..1."""
    release: float
    """The same, while it falls."""


@dataclass(frozen=True, slots=True)
class Limiting:
    """Two compressions in series, a gain, and a clip at full scale."""

    first: Compression
    second: Compression
    gain: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """One gain for all channels."""

    gain: float


@dataclass(frozen=True, slots=True)
class LevelScaling:
    """One gain for all channels, by the RMS of the input."""

    gain_of: Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Placing:
    """Gains of left and right; mono becomes stereo."""

    left: float
    right: float


@dataclass(frozen=True, slots=True)
class Widening:
    """A gain of the side signal; mono becomes stereo."""

    width: float


@dataclass(frozen=True, slots=True)
class Echoing:
    """Echoes without the direct sound: y[n] = x[n - frames] + feedback y[n - frames]."""

    frames: int
    """0: silence."""
    feedback: float


@dataclass(frozen=True, slots=True)
class Passing:
    """The input, unchanged."""


@dataclass(frozen=True, slots=True)
class Reverberation:
    """Freeverb, wet only: eight combs and four all-passes per channel; mono becomes stereo."""

    feedback: float
    damping: float
    direct: float
    """Gain of a channel's own reverb."""
    crossed: float
    """Gain of the other channel's reverb."""


Step = (
    Filtering | Compression | Limiting | Scaling | LevelScaling | Placing | Widening | Echoing | Passing | Reverberation
)


def kept_per_frame(milliseconds: float, sample_rate: int) -> float:
    """Return the share of a level that is kept per frame, for a time constant of an envelope; float32."""
    rounded = float(np.float32(milliseconds))  # first: one more bit of it may change the last bit of the result
    if rounded < LEAST_MILLISECONDS:
        return 0.0
    return float(np.float32(math.exp(-2.0 * math.pi * 1000.0 / sample_rate / rounded)))
