"""The parts of every effect: a record of values, the ranges to draw them from, and one function per engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from pydantic import Field

from rmod_pipeline.audio import Audio
from rmod_pipeline.distributions import Probability, Strict
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects.engines.fused.steps import Step

PEDALBOARD = "pedalboard"
"""The engine that supports every effect."""
FUSED = "fused"
"""The engine that applies the chains of all tracks of a pair together."""
FUSED_VERSION = 2
"""It rises when the fused engine renders other bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Base of all records. A record holds the values of one effect in one chain of one pair."""

    effect: str = ""
    match_rms: bool = False
    """Whether the output is scaled to the RMS of the input."""


class EffectRanges(Strict):
    """Base of all ranges. Ranges are what a recipe may write for one effect in a chain."""

    probability: Probability = Field(default=1.0, description="Probability that the chain contains the effect, 0..1.")
    match_rms: bool = Field(
        default=False,
        description="Scale the effect's output to the RMS of its input; silence stays silence.",
    )

    record: ClassVar[type[Effect]]
    """The record that ``compose`` returns."""
    random_fields: ClassVar[tuple[str, ...]] = ()
    """The fields that hold a distribution."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Collect the random fields of a subclass."""
        cls.random_fields = tuple(
            name for name in cls.model_fields if name not in ("effect", *EffectRanges.model_fields)
        )

    def compose(self, draw: Draw) -> Effect:
        """Draw every value from the stream of its name. An effect with another kind of record overrides this."""
        values = {name: getattr(self, name).sample(draw.at(name)) for name in self.random_fields}
        return self.record(match_rms=self.match_rms, **values)


Apply = Callable[[Audio, Any, int], Audio]
"""(audio [channels, frames], record, sample rate in Hz) -> audio [1 or 2, frames]; the input stays unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectKind:
    """One kind of effect. A module of this package exports its kind as ``EFFECT``."""

    ranges: type[EffectRanges]
    engines: Mapping[str, Apply]
    """The function of each engine; pedalboard at least."""
    fused: Callable[[Any, int], Step | None] | None = None
    """(record, sample rate in Hz) -> the step of the fused engine; None where pedalboard's function is applied."""

    @property
    def name(self) -> str:
        """The name of the effect in a recipe."""
        return str(get_args(self.ranges.model_fields["effect"].annotation)[0])

    def apply_with(self, engine: str) -> Apply:
        """Return the function of an engine, or that of pedalboard if the engine lacks the effect."""
        return self.engines.get(engine) or self.engines[PEDALBOARD]
