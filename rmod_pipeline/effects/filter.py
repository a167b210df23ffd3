"""Filter: a first-order high-pass or low-pass with 6 dB per octave, for example in a send."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, OneOf, Within, Word
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.engines.fused.steps import Filtering, Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Effect):
    """The values of a filter."""

    effect: Literal["filter"] = "filter"
    passes: str
    hz: float


class FilterRanges(EffectRanges):
    """Attenuate the bass or the treble."""

    record = Filter
    effect: Literal["filter"]
    passes: Annotated[Word, OneOf("high", "low")] = Field(description="The frequencies that pass: high or low.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(
        description="Corner frequency, where the level is 3 dB lower."
    )


def _apply_pedalboard(audio: Audio, effect: Filter, sample_rate: int) -> Audio:
    import pedalboard

    shape = pedalboard.HighpassFilter if effect.passes == "high" else pedalboard.LowpassFilter
    return shape(cutoff_frequency_hz=effect.hz)(audio, sample_rate, reset=True)


def _plan_fused(effect: Filter, sample_rate: int) -> Filtering:
    one, zero = np.float32(1), np.float32(0)
    n = np.float32(math.tan(np.float32(math.pi) * np.float32(effect.hz) / np.float32(sample_rate)))
    b = (one, -one, zero) if effect.passes == "high" else (n, n, zero)
    return Filtering((Section.divided(b, (n + one, n - one, zero)),))


EFFECT = EffectKind(ranges=FilterRanges, engines={PEDALBOARD: _apply_pedalboard}, fused=_plan_fused)
