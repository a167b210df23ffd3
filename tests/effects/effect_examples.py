"""Random values for any effect, so that one suite runs over all, also over one that was added a minute ago."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import OneOf, Within
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import CONSOLE, EFFECTS, ENGINES, Effect, EffectRanges

SAMPLE_RATE = 44_100

_NEEDS = {CONSOLE: "pymixconsole"}
"""What an engine needs that is not on the package index, so that not everybody has it."""

# Only what cannot be told from the limits in the ranges: fields that are no single random number or word.
WRITTEN: dict[str, dict[str, Any]] = {
    "equalizer": {
        "bands": [
            {"shape": {"choice": ["peak", "low_shelf", "high_shelf"]}, "hz": hz, "gain_db": [-15, 15], "q": [0.1, 10]}
            for hz in ([20, 200], [200, 2000], [2000, 20_000])
        ]
    },
    "level_gain": {"gain_db": [-21, -14]},
}


def on(engine: str, *values: Any) -> Any:
    """Return a test's parameters for an engine, skipped where the engine is not installed."""
    package = _NEEDS.get(engine)
    missing = package is not None and find_spec(package) is None
    return pytest.param(*values, engine, marks=pytest.mark.skipif(missing, reason=f"{package} is not installed"))


def every_engine() -> Any:
    """Run a test once an engine."""
    return pytest.mark.parametrize("engine", [on(engine) for engine in ENGINES])


def every_effect_of_every_engine() -> Any:
    """Run a test once for each effect that an engine has of its own."""
    return pytest.mark.parametrize(
        ("name", "engine"), [on(engine, name) for name, kind in EFFECTS.items() for engine in kind.engines]
    )


def ranges_of(name: str) -> EffectRanges:
    """Return ranges as wide as an effect allows."""
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
    """Return some random effects of a kind, always the same."""
    ranges = ranges_of(name)
    return [ranges.compose(Draw.of("example", name, index)) for index in range(count)]


def noise(channels: int, frames: int = SAMPLE_RATE // 4, gain: float = 0.2) -> Audio:
    """Return white noise, always the same, quieter in the second half."""
    values = np.random.default_rng(channels).standard_normal((channels, frames)).astype(np.float32) * np.float32(gain)
    values[:, frames // 2 :] *= np.float32(0.1)
    return values


def sine(hz: float, gain: float = 1.0, seconds: float = 1.0) -> Audio:
    """Return a sine [1, frames]."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (gain * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def impulse(frames: int = SAMPLE_RATE, channels: int = 1) -> Audio:
    """Return a single full-scale sample at the start, then silence."""
    values = np.zeros((channels, frames), np.float32)
    values[:, 0] = 1.0
    return values
