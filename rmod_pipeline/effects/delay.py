"""An echo. Wet only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Effect):
    effect: Literal["delay"] = "delay"
    seconds: float
    feedback: float


class DelayRanges(EffectRanges):
    """Echoes, without the direct sound: for a send."""

    record = Delay
    effect: Literal["delay"]
    seconds: Annotated[Number, Within("s", 0, 10)] = Field(description="Time from one echo to the next.")
    feedback: Annotated[Number, Within("", 0, 0.99)] = Field(description="Gain from one echo to the next, linear.")


def with_pedalboard(audio: Audio, effect: Delay, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Delay(delay_seconds=effect.seconds, feedback=effect.feedback, mix=1.0)
    return plugin(audio, sample_rate, reset=True)


EFFECT = EffectKind(ranges=DelayRanges, engines={PEDALBOARD: with_pedalboard})
