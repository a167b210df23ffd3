"""Compressor: a downward compressor with attack and release; it treats every channel separately."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from rmod_pipeline.audio import Audio, db_to_gain
from rmod_pipeline.distributions import Number, Within
from rmod_pipeline.effects.base import PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import BLOCK_FRAMES, CONSOLE, set_value
from rmod_pipeline.effects.engines.fused.steps import Compression, kept_per_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressor(Effect):
    """The values of a compressor."""

    effect: Literal["compressor"] = "compressor"
    threshold_db: float
    ratio: float
    attack_ms: float
    release_ms: float


class CompressorRanges(EffectRanges):
    """Reduce the level of audio above a threshold."""

    record = Compressor
    effect: Literal["compressor"]
    threshold_db: Annotated[Number, Within("dB", -100, 0)] = Field(description="Level above which the gain is reduced.")
    ratio: Annotated[Number, Within(": 1", 1, 100)] = Field(description="Input dB per output dB above the threshold.")
    attack_ms: Annotated[Number, Within("ms", 0.01, 1000)] = Field(
        description="Time of the gain to fall after a rise of the level."
    )
    release_ms: Annotated[Number, Within("ms", 1, 5000)] = Field(
        description="Time of the gain to recover after a fall of the level."
    )


def _apply_pedalboard(audio: Audio, effect: Compressor, sample_rate: int) -> Audio:
    import pedalboard

    plugin = pedalboard.Compressor(
        threshold_db=effect.threshold_db,
        ratio=effect.ratio,
        attack_ms=effect.attack_ms,
        release_ms=effect.release_ms,
    )
    return plugin(audio, sample_rate, reset=True)


def _apply_console(audio: Audio, effect: Compressor, sample_rate: int) -> Audio:
    from pymixconsole.processors import Compressor as Processor

    if effect.threshold_db == 0:
        return audio  # pymixconsole changes nothing then, but returns stereo
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
            # A float64 copy, because pymixconsole works in place.
            block = channel[start : start + BLOCK_FRAMES].astype(np.float64)
            result[start : start + BLOCK_FRAMES] = processor.process(block)
    return compressed


def _plan_fused(effect: Compressor, sample_rate: int) -> Compression:
    return plan_compression(effect.threshold_db, effect.ratio, (effect.attack_ms, effect.release_ms), sample_rate)


def plan_compression(
    threshold_db: float, ratio: float, attack_and_release_ms: tuple[float, float], sample_rate: int
) -> Compression:
    """Return the step of the fused engine for a compressor."""
    attack, release = (kept_per_frame(milliseconds, sample_rate) for milliseconds in attack_and_release_ms)
    return Compression(threshold=db_to_gain(threshold_db), exponent=1 / ratio - 1, attack=attack, release=release)


EFFECT = EffectKind(
    ranges=CompressorRanges, engines={PEDALBOARD: _apply_pedalboard, CONSOLE: _apply_console}, fused=_plan_fused
)
