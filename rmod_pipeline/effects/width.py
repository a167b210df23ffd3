"""Stereo width: scale the side signal, which is half the difference of left and right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, to_channels
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.engines.fused.steps import Widening


@dataclass(frozen=True, slots=True, kw_only=True)
class Width(Effect):
    """The value of a stereo width."""

    effect: Literal["width"] = "width"
    width: float


class WidthRanges(EffectRanges):
    """Narrow or widen the stereo image."""

    record = Width
    effect: Literal["width"]
    width: Annotated[Number, Within("", 0, 4)] = Field(
        description="Gain of the side signal: 0 is mono, 1 changes nothing, 2 doubles it."
    )


def _apply_numpy(audio: Audio, effect: Width, sample_rate: int) -> Audio:  # noqa: ARG001
    left, right = to_channels(audio, 2)
    middle, side = (left + right) * np.float32(0.5), (left - right) * np.float32(0.5 * effect.width)
    return np.stack([middle + side, middle - side])


def _plan_fused(effect: Width, sample_rate: int) -> Widening:  # noqa: ARG001
    return Widening(effect.width)


EFFECT = EffectKind(ranges=WidthRanges, engines={PEDALBOARD: _apply_numpy}, fused=_plan_fused)
