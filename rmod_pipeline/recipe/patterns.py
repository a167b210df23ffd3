"""The part of a recipe that says where hits come from: random points, or grooves that people played."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from rmod_pipeline.distributions import Number, Strict, Within
from rmod_pipeline.storage.naming import NAME

RANDOM, GROOVES = "random", "grooves"

Kind = Annotated[str, Field(pattern=NAME)]


class Humanise(Strict):
    """Small deviations of each hit of a drum from where and how hard it was drawn."""

    timing_ms: Annotated[Number, Within("ms", -200, 200)] = Field(
        default=0, validate_default=True, description="Shift of a hit; a hit above 0 is late."
    )
    velocity: Annotated[Number, Within("MIDI velocity", -126, 126)] = Field(
        default=0, validate_default=True, description="Added to the velocity, which stays within 1..127."
    )


class _Patterns(Strict):
    """The keys that all sources of patterns share."""

    velocity_exponent: Annotated[float, Field(gt=0, le=4)] = Field(
        default=1.0,
        description="The amplitude of a hit is ((velocity + 1) / 128) to this power; 2 is the curve of General MIDI 2.",
    )


class RandomPatterns(_Patterns):
    """Hits at random points, as in the DOSE paper."""

    source: Literal["random"] = Field(default="random", description="random: every drum is hit at random points.")
    steps: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="Equal steps of the mixture at which hits are drawn; default: all points of the grid."
    )


class GroovePatterns(_Patterns):
    """Hits that drummers played: windows of MIDI performances, which begin at a bar."""

    source: Literal["grooves"] = Field(description="grooves: the hits of MIDI performances.")
    manifest: str | None = Field(
        default=None,
        description="The CSV of a scan of performances, seen from the current folder; `--grooves` overrides it.",
    )
    chokes: tuple[Annotated[tuple[Kind, ...], Field(min_length=2)], ...] = Field(
        default=(("hihat", "open_hihat"),),
        description="Groups of drums of which a hit of one ends the sounding hit of another, as with a hi-hat.",
    )


def _find_source(value: Any) -> str:
    source = value.get("source", RANDOM) if isinstance(value, dict) else getattr(value, "source", RANDOM)
    return source if source in (RANDOM, GROOVES) else ""


Patterns = Annotated[
    Annotated[RandomPatterns, Tag(RANDOM)] | Annotated[GroovePatterns, Tag(GROOVES)],
    Discriminator(
        _find_source,
        custom_error_type="source",
        custom_error_message="no such source of patterns: write `source: random` or `source: grooves`",
    ),
]
"""Where the hits of the drums come from."""
