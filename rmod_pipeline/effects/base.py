"""What every effect has in common: a record of values, ranges to draw them from, one function an engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Probability, Strict
from rmod_pipeline.draw import Draw

PEDALBOARD = "pedalboard"
"""The engine that knows every effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Base of all records: the values of one effect in one chain of one pair."""

    effect: str = ""
    match_rms: bool = False
    """Whether the output is scaled back to the RMS of the input."""


class EffectRanges(Strict):
    """Base of all ranges: what a recipe may write for one effect in a chain."""

    probability: Probability = Field(default=1.0, description="Chance that the effect is in the chain at all, 0..1.")
    match_rms: bool = Field(
        default=False,
        description="Scale the effect's output to the RMS of its input; silence stays silence.",
    )

    record: ClassVar[type[Effect]]
    drawn: ClassVar[tuple[str, ...]] = ()
    """The fields that hold a random value."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        cls.drawn = tuple(name for name in cls.model_fields if name not in ("effect", *EffectRanges.model_fields))

    def compose(self, draw: Draw) -> Effect:
        """Draw every value under its own name. An effect whose record is built otherwise has its own ``compose``."""
        values = {name: getattr(self, name).at(draw.at(name)) for name in self.drawn}
        return self.record(match_rms=self.match_rms, **values)


Apply = Callable[[Audio, Any, int], Audio]
"""audio [channels, frames], the record, sample rate in Hz -> audio of as many frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKind:
    """One entry of the table of effects: a module of this package names its own as ``EFFECT``."""

    ranges: type[EffectRanges]
    engines: Mapping[str, Apply]

    @property
    def name(self) -> str:
        """What a recipe calls it."""
        return str(get_args(self.ranges.model_fields["effect"].annotation)[0])

    def apply_with(self, engine: str) -> Apply:
        """Return the function of an engine; what an engine lacks, pedalboard does."""
        return self.engines.get(engine) or self.engines[PEDALBOARD]
