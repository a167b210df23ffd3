"""Gain: one gain for the whole input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, db_to_gain
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE, amplify
from rmod_pipeline.effects.engines.fused.steps import Scaling


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain(Effect):
    """The value of a gain."""

    effect: Literal["gain"] = "gain"
    gain_db: float


class GainRanges(EffectRanges):
    """Multiply the audio by a gain."""

    record = Gain
    effect: Literal["gain"]
    gain_db: Annotated[Number, Within("dB", -80, 80)] = Field(description="Gain.")


def _apply_numpy(audio: Audio, effect: Gain, sample_rate: int) -> Audio:  # noqa: ARG001
    return audio * np.float32(db_to_gain(effect.gain_db))


def _apply_console(audio: Audio, effect: Gain, sample_rate: int) -> Audio:  # noqa: ARG001
    return amplify(audio, effect.gain_db)


def _plan_fused(effect: Gain, sample_rate: int) -> Scaling:  # noqa: ARG001
    return Scaling(db_to_gain(effect.gain_db))


EFFECT = EffectKind(ranges=GainRanges, engines={PEDALBOARD: _apply_numpy, CONSOLE: _apply_console}, fused=_plan_fused)
