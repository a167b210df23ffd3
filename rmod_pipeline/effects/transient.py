"""Transient shaper: gain for the attack of every hit and for what sounds after it, whatever the level.

Two envelopes follow the peaks of the audio, a fast and a slow one. Where the level rises, the fast one is above the
slow one; where it falls, below. Their difference, relative to the larger of them, says how much of each gain applies:

    share = (fast - slow) / max(fast, slow)
    gain_db = attack_db * max(share, 0) + sustain_db * max(-share, 0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges

FAST_SECONDS = 0.001
"""Time constant of the fast envelope."""
SLOW_SECONDS = 0.05
"""Time constant of the slow envelope: about the length of an attack."""
HOLD_SECONDS = 0.025
"""Time constant with which a peak is held, so that the envelopes do not follow the single waves of a kick."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transient(Effect):
    """The values of a transient shaper."""

    effect: Literal["transient"] = "transient"
    attack_db: float
    sustain_db: float


class TransientRanges(EffectRanges):
    """Make attacks harder or softer, and what sounds after them longer or shorter. A steady sound stays as it is."""

    record = Transient
    effect: Literal["transient"]
    attack_db: Annotated[Number, Within("dB", -24, 24)] = Field(description="Gain at the beginning of a hit.")
    sustain_db: Annotated[Number, Within("dB", -24, 24)] = Field(description="Gain where the level falls.")


def compute_share(audio: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Return how much of an attack (up to 1) or of a fall (down to -1) each frame of audio [channels, frames] is."""
    peaks = _hold_peaks(np.abs(audio).max(axis=0), sample_rate)
    fast, slow = (_smooth(peaks, seconds * sample_rate) for seconds in (FAST_SECONDS, SLOW_SECONDS))
    larger = np.maximum(fast, slow)
    return np.divide(fast - slow, larger, out=np.zeros_like(larger), where=larger > 0)


def _hold_peaks(level: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Return a level [frames] whose peaks are held and fall exponentially.

    It is max(level, last * decay) without a loop: in the logarithm the fall is a straight line, which is added before
    the maximum so far is taken, and subtracted afterwards.
    """
    fall = np.arange(level.size) / (HOLD_SECONDS * sample_rate)
    with np.errstate(divide="ignore"):  # the logarithm of silence
        log_level = np.log(level.astype(np.float64))
    return np.exp(np.maximum.accumulate(log_level + fall) - fall)


def _smooth(level: NDArray[np.float64], frames: float) -> NDArray[np.float64]:
    """Return a level after a one-pole low-pass with a time constant in frames."""
    from scipy.signal import lfilter

    decay = math.exp(-1 / frames)
    smooth: Any = lfilter([1 - decay], [1, -decay], level)
    return np.asarray(smooth, dtype=np.float64)


def _apply_numpy(audio: Audio, effect: Transient, sample_rate: int) -> Audio:
    share = compute_share(audio, sample_rate)
    gain_db = np.where(share > 0, effect.attack_db, -effect.sustain_db) * share
    return audio * (10.0 ** (gain_db / 20.0)).astype(np.float32)


EFFECT = EffectKind(ranges=TransientRanges, engines={PEDALBOARD: _apply_numpy})
