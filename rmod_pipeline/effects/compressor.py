"""A downward compressor with a ballistics filter, each channel on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressor(Effect):
    effect: Literal["compressor"] = "compressor"
    threshold_db: float
    ratio: float
    attack_ms: float
    release_ms: float


class CompressorRanges(EffectRanges):
    """Turn down what is louder than a threshold."""

    record = Compressor
    effect: Literal["compressor"]
    threshold_db: Annotated[Number, Within("dB", -100, 0)] = Field(description="Level above which gain is reduced.")
    ratio: Annotated[Number, Within(": 1", 1, 100)] = Field(description="Input dB above the threshold per output dB.")
    attack_ms: Annotated[Number, Within("ms", 0.01, 1000)] = Field(description="Time to turn down.")
    release_ms: Annotated[Number, Within("ms", 1, 5000)] = Field(description="Time to turn up again.")


def with_pedalboard(audio: Audio, effect: Compressor, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Compressor(
        threshold_db=effect.threshold_db,
        ratio=effect.ratio,
        attack_ms=effect.attack_ms,
        release_ms=effect.release_ms,
    )
    return plugin(audio, sample_rate, reset=True)


EFFECT = EffectKind(ranges=CompressorRanges, engines={PEDALBOARD: with_pedalboard})
