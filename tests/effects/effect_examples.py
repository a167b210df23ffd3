"""Random values for every effect, so that the same tests run over all effects, also over a new one."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import OneOf, Within
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import CONSOLE, EFFECTS, ENGINES, FUSED, Effect, EffectRanges
from rmod_pipeline.effects.engines.fused.engine import apply_one

SAMPLE_RATE = 44_100

_NEEDS = {CONSOLE: "pymixconsole"}
"""Packages that an engine needs and that are not on the package index, so that they may be missing."""

# The fields that are not a single random number or word, so that their limits do not define a range.
WRITTEN: dict[str, dict[str, Any]] = {
    "equalizer": {
        "bands": [
            {"shape": {"choice": ["peak", "low_shelf", "high_shelf"]}, "hz": hz, "gain_db": [-15, 15], "q": [0.1, 10]}
            for hz in ([20, 200], [200, 2000], [2000, 20_000])
        ]
    },
    "level_gain": {"gain_db": [-21, -14]},
}


def for_engine(engine: str, *values: Any) -> Any:
    """Return the parameters of a test for an engine, which is skipped if the engine is not installed."""
    package = _NEEDS.get(engine)
    missing = package is not None and find_spec(package) is None
    return pytest.param(*values, engine, marks=pytest.mark.skipif(missing, reason=f"{package} is not installed"))


def every_engine() -> pytest.MarkDecorator:
    """Run a test once per engine."""
    return pytest.mark.parametrize("engine", [for_engine(engine) for engine in ENGINES])


def every_effect_of_every_engine() -> pytest.MarkDecorator:
    """Run a test once per effect and engine with an own implementation of it."""
    return pytest.mark.parametrize(
        ("name", "engine"),
        [
            for_engine(engine, name)
            for name, kind in EFFECTS.items()
            for engine in (*kind.engines, *([FUSED] if kind.fused else []))
        ],
    )


def apply_effect(engine: str, effect: Effect, audio: Audio, sample_rate: int = SAMPLE_RATE) -> Audio:
    """Return audio after one effect of an engine, without its RMS match."""
    kind = EFFECTS[effect.effect]
    if engine == FUSED and kind.fused:
        return apply_one(audio, effect, sample_rate)
    return kind.apply_with(engine)(audio, effect, sample_rate)


def ranges_of(name: str) -> EffectRanges:
    """Return the widest ranges that an effect allows."""
    model = EFFECTS[name].ranges
    content = {"effect": name, **WRITTEN.get(name, {})}
    for field_name, field in model.model_fields.items():
        for limit in field.metadata:
            if field_name not in content and isinstance(limit, Within) and math.isfinite(limit.most - limit.least):
                content[field_name] = [limit.least, limit.most]
            elif field_name not in content and isinstance(limit, OneOf):
                content[field_name] = {"choice": list(limit.words)}
    return model.model_validate(content)


def examples_of(name: str, count: int = 20) -> list[Effect]:
    """Return ``count`` random effects of a kind, the same on every call."""
    ranges = ranges_of(name)
    return [ranges.compose(Draw.of("example", name, index)) for index in range(count)]


def noise(channels: int, frames: int = SAMPLE_RATE // 4, gain: float = 0.2) -> Audio:
    """Return white noise [channels, frames], the same on every call, quieter in the second half."""
    values = np.random.default_rng(channels).standard_normal((channels, frames)).astype(np.float32) * np.float32(gain)
    values[:, frames // 2 :] *= np.float32(0.1)
    return values


def sine(hz: float, gain: float = 1.0, seconds: float = 1.0) -> Audio:
    """Return a sine [1, frames]."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (gain * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def impulse(frames: int = SAMPLE_RATE, channels: int = 1) -> Audio:
    """Return one full-scale sample followed by silence, [channels, frames]."""
    values = np.zeros((channels, frames), np.float32)
    values[:, 0] = 1.0
    return values
