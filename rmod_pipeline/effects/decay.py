"""Decay: an exponential fall of the level from the first frame on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay(Effect):
    """The values of a decay."""

    effect: Literal["decay"] = "decay"
    seconds: float


class DecayRanges(EffectRanges):
    """Let a sound decay faster: its level falls exponentially from the first frame on. For one-shots."""

    record = Decay
    effect: Literal["decay"]
    seconds: Annotated[Number, Within("s", 0.01, 60)] = Field(
        description="Time in which the level falls by 60 dB, in addition to the decay of the sound itself."
    )


def _apply_numpy(audio: Audio, effect: Decay, sample_rate: int) -> Audio:
    time = np.arange(audio.shape[1]) / sample_rate
    return audio * (10.0 ** (-3.0 / effect.seconds * time)).astype(np.float32)


EFFECT = EffectKind(ranges=DecayRanges, engines={PEDALBOARD: _apply_numpy})
