"""Reverb: Freeverb (Jezar at Dreampoint, 2000) as in JUCE, eight combs and four all-passes per channel, wet only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio, to_channels
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.engines.fused.steps import Reverberation

WET_LEVEL = 0.5
"""JUCE multiplies the wet level by 3. With 0.5, the wet signal of a medium room is about as loud as the dry signal, so
that the level of a send in dB has its usual meaning, and mixtures are as loud as the two published by the authors."""

LEAST_FUSED_RATE = 2000
"""Hz. Far below it, the shortest delay of the reverb would have no frame, which the fused engine cannot do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverb(Effect):
    """The values of a reverb."""

    effect: Literal["reverb"] = "reverb"
    room: float
    damping: float
    width: float


class ReverbRanges(EffectRanges):
    """Add the sound of a room. The output has no direct sound, so use it in a send."""

    record = Reverb
    effect: Literal["reverb"]
    room: Annotated[Number, Within("", 0, 1)] = Field(description="Size of the room, 0..1.")
    damping: Annotated[Number, Within("", 0, 1)] = Field(
        description="Absorption of high frequencies by the walls, 0..1."
    )
    width: Annotated[Number, Within("", 0, 1)] = Field(description="Stereo width of the room, 0..1.")


def _apply_pedalboard(audio: Audio, effect: Reverb, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Reverb(
        room_size=effect.room, damping=effect.damping, width=effect.width, wet_level=WET_LEVEL, dry_level=0.0
    )
    return plugin(to_channels(audio, 2), sample_rate, reset=True)


def _plan_fused(effect: Reverb, sample_rate: int) -> Reverberation | None:
    if sample_rate < LEAST_FUSED_RATE:
        return None
    wet = 3 * WET_LEVEL
    return Reverberation(
        feedback=0.28 * effect.room + 0.7,
        damping=0.4 * effect.damping,
        direct=wet * (1 + effect.width) / 2,
        crossed=wet * (1 - effect.width) / 2,
    )


EFFECT = EffectKind(ranges=ReverbRanges, engines={PEDALBOARD: _apply_pedalboard}, fused=_plan_fused)
