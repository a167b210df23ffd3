"""What a recipe may say: every key with its meaning, its unit and its limits.

These are the models that YAML is read into, that ``rmod recipe show`` prints and that ``rmod recipe schema`` turns into
a JSON Schema for editors.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import not_
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from rmod_pipeline.distributions import Integer, Number, Probability, Strict, Within
from rmod_pipeline.effects import AnyRanges
from rmod_pipeline.storage.naming import NAME

Name = Annotated[str, Field(pattern=NAME)]
"""A name that becomes part of file names: small letters, digits and underscores."""


class AnyOrder(Strict):
    """Effects whose order in the chain is drawn for every pair."""

    any_order: tuple[AnyRanges, ...] = Field(min_length=2, description="Effects that stand in a random order.")


def _slot(value: Any) -> str:
    shuffled = "any_order" in value if isinstance(value, dict) else isinstance(value, AnyOrder)
    return "in any order" if shuffled else "an effect"


Slot = Annotated[
    Annotated[AnyOrder, Tag("in any order")] | Annotated[AnyRanges, Tag("an effect")], Discriminator(_slot)
]
"""One place in a chain: an effect, or some effects in any order."""

Chain = tuple[Slot, ...]


class SendRanges(Strict):
    """A parallel chain on a track: taken after its inserts, joined to it before the sum."""

    name: Name = Field(description="What the send is called in the spec, such as reverb.")
    level_db: Annotated[Number, Within("dB", -80, 20)] = Field(description="Gain of the wet signal.")
    effects: Chain = Field(min_length=1, description="The effects of the wet signal, in order.")
    probability: Probability = Field(default=1.0, description="Chance that the track has this send, 0..1.")


class TrackRanges(Strict):
    """What drums and loops have in common."""

    presence: Probability = Field(default=1.0, description="Chance that the track is in a pair at all, 0..1.")
    inserts: Chain = Field(default=(), description="The track's effects, in order.")
    sends: tuple[SendRanges, ...] = Field(default=(), description="The track's parallel effects.")


class DrumRanges(TrackRanges):
    """A drum: a layered one-shot, played at random grid points."""

    target: bool = Field(default=True, description="Whether the dry one-shot is an answer that a model must give.")
    token_frames: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Length of the target in token frames, cut or padded; none: 40 for a hihat, 90 for the others.",
    )
    hits: Annotated[Integer, Within("hits", 1, 1024)] = Field(
        default=[2, 4], validate_default=True, description="Hits in a mixture; a pair means every number between."
    )
    velocity: Annotated[Number, Within("MIDI velocity", 1, 127)] = Field(
        default={"normal": [100, 3], "clip": [1, 127]},
        validate_default=True,
        description="How hard a hit is, rounded to a whole number; its amplitude is (velocity + 1) / 128.",
    )

    @model_validator(mode="after")
    def _targets_are_present(self) -> DrumRanges:
        if self.target and self.presence < 1:
            raise ValueError(
                f"presence is {self.presence:g}, but a target is in every pair: write `target: false` or `presence: 1`"
            )
        return self


class LoopRanges(TrackRanges):
    """A backing loop of an instrument."""

    presence: Probability = Field(default=0.7, description="Chance that the loop is in a pair at all, 0..1.")
    semitones: Annotated[Integer, Within("semitones", -24, 24)] = Field(
        default=[-12, 12], validate_default=True, description="Shift of pitch, whole semitones, both ends included."
    )
    seconds: Annotated[Number, Within("s", 0.1, 60)] = Field(
        default={"choice": [4.0, 2.0]},
        validate_default=True,
        description="The loop is cut to this length and repeated to the end of the mixture.",
    )


class Layering(Strict):
    """How one-shots of a class are mixed into one new one-shot."""

    none: Probability = Field(default=0.0, description="Chance that a one-shot is not layered, 0..1.")
    weights: tuple[tuple[Annotated[float, Field(gt=0, le=1)], ...], ...] = Field(
        default=((0.8, 0.2), (0.7, 0.3), (0.6, 0.4)),
        min_length=1,
        description="The gains of the layers, linear; one row is drawn for each one-shot, each with equal chance.",
    )

    @property
    def most(self) -> int:
        """The largest number of different one-shots that a layered one needs."""
        return max(len(row) for row in self.weights) if self.none < 1 else 1

    @model_validator(mode="after")
    def _rows(self) -> Layering:
        for row in self.weights:
            if len(row) < 2:
                raise ValueError(f"a row of weights needs two or more gains, found {list(row)}")
            if sum(row) > 1 + 1e-9:
                # Peak-normalised layers could then add up to more than full scale, and the target would clip.
                raise ValueError(f"the weights {list(row)} add up to {sum(row):g}; a one-shot's may be 1 at most")
        return self


class OneShots(Strict):
    """How one-shots are prepared and played."""

    max_seconds: Annotated[float, Field(ge=0.05, le=10)] = Field(
        default=2.0, description="What is longer is cut, in s."
    )
    fade_ms: Annotated[float, Field(ge=0, le=500)] = Field(default=10.0, description="Fade at that cut, in ms.")
    truncation_fade_ms: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="Fade before a new hit cuts the sounding one, in ms; 0 is a hard cut."
    )
    layering: Layering = Field(default_factory=Layering, description="How one-shots are layered.")
    # Left out of a dump where a recipe has none: keys that were added later change no older fingerprint.
    semitones: Annotated[Number, Within("semitones", -24, 24)] | None = Field(
        default=None,
        exclude_if=not_,
        description="Each layer is played so much faster, pitch and length together; none: as it is.",
    )
    effects: Chain = Field(
        default=(),
        exclude_if=not_,
        description="What a layered one-shot goes through before it is played: part of the answer, its peak as before.",
    )


class RejectLimits(Strict):
    """Which pairs ought not to be: decided from the rendered audio alone, recorded, and drawn again."""

    silent_dbfs: Annotated[float, Field(ge=-120, le=0)] = Field(
        default=-60.0, description="A target or mixture whose peak is below this is silent, in dBFS."
    )
    buried_db: Annotated[float, Field(ge=0, le=120)] = Field(
        default=30.0,
        description="A target is buried if at its clearest hit it is more than this below the mixture, in dB.",
    )
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="How often a pair is drawn before its key stays absent."
    )


class Recipe(Strict):
    """A data set to build."""

    name: Name = Field(description="The recipe's name, part of every spec.")
    description: str = Field(default="", description="What the data set is, for its card.")
    sample_rate: Annotated[int, Field(ge=8_000, le=192_000)] = Field(default=44_100, description="In Hz.")
    seconds: Annotated[float, Field(ge=0.5, le=60)] = Field(default=4.0, description="Length of a mixture, in s.")
    grid: Annotated[int, Field(ge=16, le=100_000)] = Field(
        default=1_920, description="Points of the MIDI grid over a mixture: 480 a beat at 60 bpm in 4 s."
    )
    one_shots: OneShots = Field(default_factory=OneShots, description="How one-shots are prepared and played.")
    loop_max_seconds: Annotated[float, Field(ge=0.5, le=600)] = Field(
        default=8.0, description="Longest part of a loop that is pitch-shifted, in s."
    )
    loop_fade_ms: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="Fade at both ends of every repeat of a loop, in ms; 0 is a hard cut."
    )
    drums: dict[Name, DrumRanges] = Field(min_length=1, description="The drums by kind, in order.")
    loops: dict[Name, LoopRanges] = Field(default_factory=dict, description="The backing loops by kind, in order.")
    master: Chain = Field(default=(), description="The chain over the sum; nothing is added after it.")
    reject: RejectLimits = Field(default_factory=RejectLimits, description="Which pairs are drawn again.")

    @property
    def frames(self) -> int:
        """Frames of a mixture."""
        return round(self.seconds * self.sample_rate)

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds whose one-shots are to be extracted, in order."""
        return tuple(kind for kind, drum in self.drums.items() if drum.target)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that the recipe plays, in order."""
        return (*self.drums, *self.loops)

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if not self.targets:
            raise _error("drums", "no drum is a target: leave out `target: false` for at least one")
        for kind in sorted(self.drums.keys() & self.loops.keys()):
            raise _error(f"loops.{kind}", f"'{kind}' stands under drums too: a kind is one or the other")
        if self.grid > self.frames:
            raise _error("grid", f"{self.grid} points are more than the mixture's {self.frames} frames")
        for kind, drum in self.drums.items():
            most = int(drum.hits.support()[1])
            if most > self.grid:
                raise _error(f"drums.{kind}.hits", f"{most} hits do not fit on a grid of {self.grid} points")
        for kind, loop in self.loops.items():
            longest = loop.seconds.support()[1]
            if longest > self.seconds:
                raise _error(f"loops.{kind}.seconds", f"{longest:g} s is longer than the mixture, {self.seconds:g} s")
        for place, most_hz in _frequencies(self):
            # Above it a filter answers with another frequency, or with infinity.
            if most_hz > self.sample_rate / 2:
                raise _error(
                    place, f"{most_hz:g} Hz cannot be at {self.sample_rate} samples a second: half of them is the most"
                )
        return self


def _error(place: str, message: str) -> PydanticCustomError:
    """Return an error about a place somewhere below, which the loader turns into a line."""
    return PydanticCustomError("inconsistent", "{message}", {"message": message, "place": place})


def _frequencies(part: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """Yield the place and the upper end of every frequency below a part of a recipe."""
    if isinstance(part, BaseModel):
        for name, field in type(part).model_fields.items():
            below = f"{place}.{name}" if place else name
            if any(isinstance(limit, Within) and limit.unit == "Hz" for limit in field.metadata):
                yield below, getattr(part, name).support()[1]
            else:
                yield from _frequencies(getattr(part, name), below)
    elif isinstance(part, dict):
        for name, item in part.items():
            yield from _frequencies(item, f"{place}.{name}")
    elif isinstance(part, tuple):
        for position, item in enumerate(part):
            yield from _frequencies(item, f"{place}.{position}")
