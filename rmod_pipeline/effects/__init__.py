"""Audio effects, one module each, discovered automatically.

A module of this package that defines ``EFFECT`` is an effect: recipes can name it, specs can hold it, and the tests
over all effects cover it. ``CONTRIBUTING.md`` shows how to add one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from rmod_pipeline.effects.base import FUSED, FUSED_VERSION, PEDALBOARD, Effect, EffectKind, EffectRanges
from rmod_pipeline.effects.console import CONSOLE, require_console
from rmod_pipeline.errors import UsageError, nearest

_modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]

EFFECTS: dict[str, EffectKind] = {module.EFFECT.name: module.EFFECT for module in _modules if hasattr(module, "EFFECT")}
"""Every effect, by its name in a recipe."""

ENGINES: tuple[str, ...] = tuple(sorted({FUSED, *(engine for kind in EFFECTS.values() for engine in kind.engines)}))
"""The names of all engines."""


def check_engine(engine: str) -> str:
    """Return the name of an engine if it can be used. Raises UsageError for an unknown or not installed engine."""
    if engine not in ENGINES:
        installed = " or ".join(name for name in ENGINES if name != CONSOLE)
        hint = f"use {installed}, or {CONSOLE} where its package is installed"
        raise UsageError("--engine", f"unknown '{engine}'{nearest(engine, ENGINES)}", hint)
    if engine == CONSOLE:
        require_console()
    return engine


def prepare_engine(engine: str) -> None:
    """Compile what an engine needs, so that not every process does it at the same time."""
    if engine == FUSED:
        from rmod_pipeline.effects.engines.fused.loading import load_kernels

        load_kernels()


if TYPE_CHECKING:
    AnyEffect = Effect
    AnyRanges = EffectRanges
else:
    AnyEffect = Annotated[Union[tuple(kind.ranges.record for kind in EFFECTS.values())], Field(discriminator="effect")]  # noqa: UP007
    AnyRanges = Annotated[Union[tuple(kind.ranges for kind in EFFECTS.values())], Field(discriminator="effect")]  # noqa: UP007

__all__ = [
    "CONSOLE",
    "EFFECTS",
    "ENGINES",
    "FUSED",
    "FUSED_VERSION",
    "PEDALBOARD",
    "AnyEffect",
    "AnyRanges",
    "Effect",
    "EffectKind",
    "EffectRanges",
    "check_engine",
    "prepare_engine",
]
