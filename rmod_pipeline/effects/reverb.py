"""Freeverb (Jezar at Dreampoint, 2000; JUCE's version): eight combs and four all-passes a channel. Wet only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio, to_channels
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges

WET_LEVEL = 0.5
"""JUCE triples the wet level. At a half, the wet signal of a middling room is about as loud as the dry one, so that the
level of a send in dB means what it says, and mixtures are as loud as the two that the paper's authors published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverb(Effect):
    effect: Literal["reverb"] = "reverb"
    room: float
    damping: float
    width: float


class ReverbRanges(EffectRanges):
    """The sound of a room, without the direct sound: for a send."""

    record = Reverb
    effect: Literal["reverb"]
    room: Annotated[Number, Within("", 0, 1)] = Field(description="Size of the room, 0..1.")
    damping: Annotated[Number, Within("", 0, 1)] = Field(description="How much the walls swallow treble, 0..1.")
    width: Annotated[Number, Within("", 0, 1)] = Field(description="Stereo width of the room, 0..1.")


def with_pedalboard(audio: Audio, effect: Reverb, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Reverb(
        room_size=effect.room, damping=effect.damping, width=effect.width, wet_level=WET_LEVEL, dry_level=0.0
    )
    return plugin(to_channels(audio, 2), sample_rate, reset=True)


EFFECT = EffectKind(ranges=ReverbRanges, engines={PEDALBOARD: with_pedalboard})
