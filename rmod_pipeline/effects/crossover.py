"""Crossover: one band of a Linkwitz-Riley crossover of the fourth order, 24 dB per octave.

The low and the high band of one sound add up to that sound, with another phase but the same spectrum. So the low band
of one sound and the high band of another add up without a hole or a bump between them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, OneOf, Within, Word
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossover(Effect):
    """The values of one band of a crossover."""

    effect: Literal["crossover"] = "crossover"
    passes: str
    hz: float


class CrossoverRanges(EffectRanges):
    """Keep what is below or above a frequency, with 24 dB per octave."""

    record = Crossover
    effect: Literal["crossover"]
    passes: Annotated[Word, OneOf("high", "low")] = Field(description="The frequencies that pass: high or low.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(
        description="Frequency between the bands, where the level of both is 6 dB lower."
    )


def _apply_scipy(audio: Audio, effect: Crossover, sample_rate: int) -> Audio:
    from scipy.signal import butter, sosfilt

    # Two Butterworth filters of the second order in series are one of Linkwitz and Riley of the fourth.
    section = butter(2, effect.hz, btype=effect.passes, fs=sample_rate, output="sos")
    band: Audio = sosfilt(np.concatenate([section, section]), audio).astype(np.float32)
    return band


EFFECT = EffectKind(ranges=CrossoverRanges, engines={PEDALBOARD: _apply_scipy})
