"""A downward compressor with a ballistics filter, each channel on its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import BLOCK_FRAMES, CONSOLE, set_value


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


def with_console(audio: Audio, effect: Compressor, sample_rate: int) -> Audio:
    from pymixconsole.processors import Compressor as Processor

    if effect.threshold_db == 0:
        return audio  # the console leaves its input as it is, but makes it stereo
    compressed = np.empty_like(audio)
    for channel, result in zip(audio, compressed, strict=True):
        processor = Processor(sample_rate=sample_rate, block_size=BLOCK_FRAMES)
        for name, value in (
            ("threshold", effect.threshold_db),
            ("attack_time", effect.attack_ms),
            ("release_time", effect.release_ms),
            ("ratio", effect.ratio),
        ):
            set_value(processor, name, value)
        for start in range(0, channel.size, BLOCK_FRAMES):
            # In float64 and a copy: the console works in place.
            block = channel[start : start + BLOCK_FRAMES].astype(np.float64)
            result[start : start + BLOCK_FRAMES] = processor.process(block)
    return compressed


EFFECT = EffectKind(ranges=CompressorRanges, engines={PEDALBOARD: with_pedalboard, CONSOLE: with_console})
