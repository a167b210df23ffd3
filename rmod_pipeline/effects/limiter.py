"""Limiter: two compressors in series, make-up gain, and a hard clip at full scale (JUCE's ``dsp::Limiter``).

It maximises loudness: a lower threshold makes quiet audio louder. ``match_rms`` undoes this gain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio, db_to_gain
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.compressor import plan_compression
from rmod_pipeline.effects.engines.fused.steps import Limiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Limiter(Effect):
    """The values of a limiter."""

    effect: Literal["limiter"] = "limiter"
    threshold_db: float
    release_ms: float


class LimiterRanges(EffectRanges):
    """Raise the loudness, and clip at full scale."""

    record = Limiter
    effect: Literal["limiter"]
    threshold_db: Annotated[Number, Within("dB", -60, 0)] = Field(description="Level above which the gain is reduced.")
    release_ms: Annotated[Number, Within("ms", 1, 5000)] = Field(
        description="Time of the gain to recover after a fall of the level."
    )


def _apply_pedalboard(audio: Audio, effect: Limiter, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Limiter(threshold_db=effect.threshold_db, release_ms=effect.release_ms)
    return plugin(audio, sample_rate, reset=True)


def _plan_fused(effect: Limiter, sample_rate: int) -> Limiting:
    return Limiting(
        first=plan_compression(-10, 4, (2, 200), sample_rate),
        second=plan_compression(effect.threshold_db, 1000, (0.001, effect.release_ms), sample_rate),
        gain=10.0 ** (7.5 / 40) * db_to_gain(-effect.threshold_db),
    )


EFFECT = EffectKind(ranges=LimiterRanges, engines={PEDALBOARD: _apply_pedalboard}, fused=_plan_fused)
