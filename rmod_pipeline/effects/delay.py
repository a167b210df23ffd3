"""Delay: echoes without the direct sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.engines.fused.steps import Echoing, Passing


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


def _plan_fused(effect: Delay, sample_rate: int) -> Echoing | Passing:
    # As in pedalboard: no delay at all passes the input, and one of less than a frame is silence.
    if effect.seconds == 0:
        return Passing()
    return Echoing(frames=int(np.float32(effect.seconds) * sample_rate), feedback=effect.feedback)


EFFECT = EffectKind(ranges=DelayRanges, engines={PEDALBOARD: _apply_pedalboard}, fused=_plan_fused)
