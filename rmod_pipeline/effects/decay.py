"""A faster decay: what a sound's own level does, it does sooner."""

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
    effect: Literal["decay"] = "decay"
    seconds: float


class DecayRanges(EffectRanges):
    """Let a sound die away faster: its level falls exponentially from its first frame on. Meant for one-shots."""

    record = Decay
    effect: Literal["decay"]
    seconds: Annotated[Number, Within("s", 0.01, 60)] = Field(
        description="In this time the level falls by 60 dB, on top of the sound's own decay."
    )


def apply(audio: Audio, effect: Decay, sample_rate: int) -> Audio:
    time = np.arange(audio.shape[1]) / sample_rate
    return audio * (10.0 ** (-3.0 / effect.seconds * time)).astype(np.float32)


EFFECT = EffectKind(ranges=DecayRanges, engines={PEDALBOARD: apply})
