"""Delay: echoes without the direct sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Effect):
    """The values of a delay."""

    effect: Literal["delay"] = "delay"
    seconds: float
    feedback: float


class DelayRanges(EffectRanges):
    """Add echoes. The output has no direct sound, so use it in a send."""

    record = Delay
    effect: Literal["delay"]
    seconds: Annotated[Number, Within("s", 0, 10)] = Field(description="Time between two echoes.")
    feedback: Annotated[Number, Within("", 0, 0.99)] = Field(description="Linear gain from one echo to the next.")


def _apply_pedalboard(audio: Audio, effect: Delay, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Delay(delay_seconds=effect.seconds, feedback=effect.feedback, mix=1.0)
    return plugin(audio, sample_rate, reset=True)


EFFECT = EffectKind(ranges=DelayRanges, engines={PEDALBOARD: _apply_pedalboard})
