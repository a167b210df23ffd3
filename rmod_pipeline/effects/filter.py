"""A first-order high-pass or low-pass, 6 dB an octave: the colouring of a send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, OneOf, Within, Word
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Effect):
    effect: Literal["filter"] = "filter"
    passes: str
    hz: float


class FilterRanges(EffectRanges):
    """Take away the bass or the treble."""

    record = Filter
    effect: Literal["filter"]
    passes: Annotated[Word, OneOf("high", "low")] = Field(description="What the filter lets through: high or low.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(description="The corner, where the level is down 3 dB.")


def with_pedalboard(audio: Audio, effect: Filter, sample_rate: int) -> Audio:
    import pedalboard

    shape = pedalboard.HighpassFilter if effect.passes == "high" else pedalboard.LowpassFilter
    return shape(cutoff_frequency_hz=effect.hz)(audio, sample_rate, reset=True)


EFFECT = EffectKind(ranges=FilterRanges, engines={PEDALBOARD: with_pedalboard})
