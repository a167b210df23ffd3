"""Pan: the gains of left and right. Mono input becomes stereo; stereo input gets the same two gains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, to_channels
from rmod_pipeline.distributions import Number, OneOf, Within, Word
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE, set_value
from rmod_pipeline.effects.engines.fused.steps import Placing

LAWS = ("linear", "minus_4_5_db", "constant_power")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pan(Effect):
    """The values of a pan."""

    effect: Literal["pan"] = "pan"
    position: float
    law: str


class PanRanges(EffectRanges):
    """Place the audio between left and right."""

    record = Pan
    effect: Literal["pan"]
    position: Annotated[Number, Within("", 0, 1)] = Field(description="Position: 0 is left, 0.5 the centre, 1 right.")
    law: Annotated[Word, OneOf(*LAWS)] = Field(
        default="constant_power",
        validate_default=True,
        description="Attenuation at the centre: linear 6 dB, minus_4_5_db 4.5 dB, constant_power 3 dB.",
    )


def pan_gains(position: float, law: str) -> tuple[float, float]:
    """Return the linear gains of left and right. The -4.5 dB law is the geometric mean of the other two laws."""
    angle = position * math.pi / 2
    power = (math.cos(angle), math.sin(angle))
    linear = (1.0 - position, position)
    if law == "linear":
        return linear
    if law == "constant_power":
        return power
    # Rounding must not make a gain negative under the root.
    left, right = (math.sqrt(max(a, 0.0) * max(b, 0.0)) for a, b in zip(linear, power, strict=True))
    return left, right


def _apply_numpy(audio: Audio, effect: Pan, sample_rate: int) -> Audio:  # noqa: ARG001
    gains = np.array(pan_gains(effect.position, effect.law), dtype=np.float32)
    return to_channels(audio, 2) * gains[:, None]


_CONSOLE_LAWS = {"linear": "linear", "minus_4_5_db": "-4.5dB", "constant_power": "constant_power"}


def _apply_console(audio: Audio, effect: Pan, sample_rate: int) -> Audio:  # noqa: ARG001
    from pymixconsole.processors import Panner

    processor = Panner()
    set_value(processor, "pan_law", _CONSOLE_LAWS[effect.law])
    set_value(processor, "pan", effect.position)
    return np.ascontiguousarray(processor.process(to_channels(audio, 2).T).T, dtype=np.float32)


def _plan_fused(effect: Pan, sample_rate: int) -> Placing:  # noqa: ARG001
    return Placing(*pan_gains(effect.position, effect.law))


EFFECT = EffectKind(ranges=PanRanges, engines={PEDALBOARD: _apply_numpy, CONSOLE: _apply_console}, fused=_plan_fused)
