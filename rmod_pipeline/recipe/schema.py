"""The recipe models: every key with its meaning, unit, limits and default.

Loading fills these models from YAML, ``rmod recipe show`` prints them, and ``rmod recipe schema`` turns them into a
JSON Schema for editors.
"""

from __future__ import annotations

from collections.abc import Iterator
from operator import not_
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from rmod_pipeline.distributions import Integer, Number, Probability, Strict, Within
from rmod_pipeline.effects import AnyRanges
from rmod_pipeline.recipe.patterns import GroovePatterns, Humanise, Patterns, RandomPatterns
from rmod_pipeline.storage.naming import NAME

Name = Annotated[str, Field(pattern=NAME)]
"""A name that becomes part of file names: lower-case letters, digits and underscores."""


class AnyOrder(Strict):
    """Effects in a random order, drawn for every pair."""

    any_order: tuple[AnyRanges, ...] = Field(min_length=2, description="The effects, in any order.")


def _find_slot_tag(value: Any) -> str:
    is_shuffled = "any_order" in value if isinstance(value, dict) else isinstance(value, AnyOrder)
    return "in any order" if is_shuffled else "an effect"


Slot = Annotated[
    Annotated[AnyOrder, Tag("in any order")] | Annotated[AnyRanges, Tag("an effect")], Discriminator(_find_slot_tag)
]
"""One slot of a chain: an effect, or several effects in any order."""

Chain = tuple[Slot, ...]


class SendRanges(Strict):
    """A parallel chain on a track: its input is the track after the inserts, its output is added to the track."""

    name: Name = Field(description="Name of the send in specs, such as reverb.")
    level_db: Annotated[Number, Within("dB", -80, 20)] = Field(description="Gain of the wet signal.")
    effects: Chain = Field(min_length=1, description="Effects of the wet signal, in order.")
    probability: Probability = Field(default=1.0, description="Probability that the track has this send, 0..1.")


class TrackRanges(Strict):
    """The keys that drums and loops share."""

    presence: Probability = Field(default=1.0, description="Probability that a pair contains the track, 0..1.")
    inserts: Chain = Field(default=(), description="Effects of the track, in order.")
    sends: tuple[SendRanges, ...] = Field(default=(), description="Parallel chains of the track.")


class DrumRanges(TrackRanges):
    """A drum: a layered one-shot that is played at random points of the grid, or where a groove has its hits."""

    target: bool = Field(default=True, description="Whether the dry one-shot is a target, which a model must extract.")
    token_frames: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Length in token frames to which the target is cut or padded; default: hihat 40, others 90.",
    )
    hits: Annotated[Integer, Within("hits", 1, 1024)] = Field(
        default=[2, 4],
        validate_default=True,
        description="Number of hits in a mixture; a pair of numbers is a range with both ends. Grooves have their own.",
    )
    velocity: Annotated[Number, Within("MIDI velocity", 1, 127)] = Field(
        default={"normal": [100, 3], "clip": [1, 127]},
        validate_default=True,
        description="Velocity of a hit, rounded to a whole number; the amplitude is (velocity + 1) / 128. "
        "Grooves have their own.",
    )
    # A dump omits these keys if they are empty, so that they did not change the fingerprint of older recipes.
    humanise: Humanise | None = Field(
        default=None, exclude_if=not_, description="Deviations of random hits from their points; default none."
    )
    sounds: tuple[Name, ...] = Field(
        default=(), exclude_if=not_, description="Kinds of the library whose sounds the drum plays; default its own."
    )
    optional: bool = Field(
        default=False,
        exclude_if=not_,
        description="Whether the drum is left out where the library has too few sounds; otherwise that is an error.",
    )

    @model_validator(mode="after")
    def _check_presence(self) -> DrumRanges:
        if self.target and self.presence < 1:
            remedy = "write `target: false` or `presence: 1`"
            raise ValueError(f"presence is {self.presence:g}, but every pair contains its targets: {remedy}")
        if self.target and self.optional:
            raise ValueError("a target cannot be optional, as every pair contains its targets: write `target: false`")
        return self


class LoopRanges(TrackRanges):
    """A backing loop of an instrument."""

    presence: Probability = Field(default=0.7, description="Probability that a pair contains the loop, 0..1.")
    semitones: Annotated[Integer, Within("semitones", -24, 24)] = Field(
        default=[-12, 12], validate_default=True, description="Pitch shift in whole semitones, both ends included."
    )
    seconds: Annotated[Number, Within("s", 0.1, 60)] = Field(
        default={"choice": [4.0, 2.0]},
        validate_default=True,
        description="Period: the loop is cut to this length and repeated to the end of the mixture.",
    )


class CrossoverLayering(Strict):
    """A one-shot with the low band of one sound and the high band of another."""

    probability: Probability = Field(description="Probability that a layered one-shot is made this way, 0..1.")
    hz: Annotated[Number, Within("Hz", 10, 20_000)] = Field(description="Frequency between the two bands.")


class Layering(Strict):
    """How several one-shots of a kind are mixed into a new one-shot."""

    none: Probability = Field(default=0.0, description="Probability that a one-shot is a single sound, 0..1.")
    weights: tuple[tuple[Annotated[float, Field(gt=0, le=1)], ...], ...] = Field(
        default=((0.8, 0.2), (0.7, 0.3), (0.6, 0.4)),
        min_length=1,
        description="Linear gains of the layers; one row is drawn for every one-shot, all rows with equal chance.",
    )
    # A dump omits this key if it is empty, so that it did not change the fingerprint of older recipes.
    crossover: CrossoverLayering | None = Field(
        default=None,
        exclude_if=not_,
        description="Layers of one band each, at equal gains, instead of a row of weights; default none.",
    )

    @property
    def most(self) -> int:
        """The largest number of sounds in a one-shot."""
        return max(len(row) for row in self.weights) if self.none < 1 else 1

    @model_validator(mode="after")
    def _check_weights(self) -> Layering:
        for row in self.weights:
            if len(row) < 2:
                raise ValueError(f"a row of weights needs two or more gains, found {list(row)}")
            if sum(row) > 1 + 1e-9:
                # Otherwise peak-normalised layers could exceed full scale, and the target would clip.
                raise ValueError(f"the weights {list(row)} add up to {sum(row):g}; the sum may be at most 1")
        return self


class OneShots(Strict):
    """How one-shots are prepared and played."""

    max_seconds: Annotated[float, Field(ge=0.05, le=10)] = Field(
        default=2.0, description="Maximum length in s; a longer one-shot is cut."
    )
    fade_ms: Annotated[float, Field(ge=0, le=500)] = Field(default=10.0, description="Fade before that cut, in ms.")
    truncation_fade_ms: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="Fade of a sounding hit before the next hit cuts it, in ms; 0 is a hard cut."
    )
    layering: Layering = Field(default_factory=Layering, description="How one-shots are layered.")
    # A dump omits these keys if they are empty, so that they did not change the fingerprint of older recipes.
    semitones: Annotated[Number, Within("semitones", -24, 24)] | None = Field(
        default=None,
        exclude_if=not_,
        description="Change of speed of each layer, which shifts pitch and length together; default none.",
    )
    effects: Chain = Field(
        default=(),
        exclude_if=not_,
        description="Effects of a layered one-shot before it is played: part of the target; the peak is kept.",
    )


class RejectLimits(Strict):
    """When a rendered pair is rejected. The reject is recorded, and the pair is drawn again."""

    silent_dbfs: Annotated[float, Field(ge=-120, le=0)] = Field(
        default=-60.0, description="Peak in dBFS below which a target or mixture counts as silent."
    )
    buried_db: Annotated[float, Field(ge=0, le=120)] = Field(
        default=30.0,
        description="A target is buried if its clearest hit is more than this below the mixture, in dB.",
    )
    attempts: Annotated[int, Field(ge=1, le=100)] = Field(
        default=8, description="Number of attempts before a pair stays absent from the data set."
    )


MOST_POINTS = 11_520_000
"""Points of a grid: one for every frame of a minute at 192 kHz."""


class Recipe(Strict):
    """What to build: the sounds of a mixture, their effects and the limits for rejects."""

    name: Name = Field(description="Name of the recipe, stored in every spec.")
    description: str = Field(default="", description="Description of the data set, for its card.")
    sample_rate: Annotated[int, Field(ge=8_000, le=192_000)] = Field(default=44_100, description="Sample rate in Hz.")
    seconds: Annotated[float, Field(ge=0.5, le=60)] = Field(default=4.0, description="Length of a mixture in s.")
    grid: Annotated[int, Field(ge=16, le=MOST_POINTS)] = Field(
        default=1_920, description="Points of the MIDI grid over a mixture; 1920 over 4 s are 480 per beat at 60 bpm."
    )
    # A dump omits the default, so that the key did not change the fingerprint of older recipes.
    patterns: Patterns = Field(
        default_factory=RandomPatterns,
        exclude_if=lambda patterns: patterns == RandomPatterns(),
        description="Where the hits of the drums come from: random points (the default), or grooves.",
    )
    one_shots: OneShots = Field(default_factory=OneShots, description="How one-shots are prepared and played.")
    loop_max_seconds: Annotated[float, Field(ge=0.5, le=600)] = Field(
        default=8.0, description="Maximum length of a loop in s; the rest is not used."
    )
    loop_fade_ms: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="Fade at both ends of every repetition of a loop, in ms; 0 is a hard cut."
    )
    drums: dict[Name, DrumRanges] = Field(min_length=1, description="The drums by kind, in order.")
    loops: dict[Name, LoopRanges] = Field(default_factory=dict, description="The backing loops by kind, in order.")
    master: Chain = Field(default=(), description="Effects of the sum of all tracks, in order.")
    reject: RejectLimits = Field(
        default_factory=RejectLimits, description="Limits for rejected pairs, which are drawn again."
    )

    @property
    def frames(self) -> int:
        """Number of frames of a mixture."""
        return round(self.seconds * self.sample_rate)

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of the targets, in order."""
        return tuple(kind for kind, drum in self.drums.items() if drum.target)

    @property
    def grooves(self) -> GroovePatterns | None:
        """The patterns, if they are grooves."""
        return self.patterns if isinstance(self.patterns, GroovePatterns) else None

    @property
    def drum_sounds(self) -> dict[str, tuple[str, ...]]:
        """The kinds of the library whose sounds each drum plays."""
        return {kind: drum.sounds or (kind,) for kind, drum in self.drums.items()}

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of drums and loops, in order."""
        return (*self.drums, *self.loops)

    @model_validator(mode="after")
    def _check_consistency(self) -> Recipe:
        self._check_drums()
        self._check_patterns()
        self._check_loops()
        for key, highest_hz in _list_frequencies(self):
            # Above half the sample rate a filter has another frequency, or an infinite response.
            if highest_hz > self.sample_rate / 2:
                limit = f"at {self.sample_rate} Hz the highest frequency is {self.sample_rate / 2:g} Hz"
                raise make_key_error(key, f"{highest_hz:g} Hz is too high: {limit}")
        return self

    def _check_drums(self) -> None:
        if not self.targets:
            raise make_key_error("drums", "no drum is a target: leave out `target: false` for at least one")
        if self.grid > self.frames:
            raise make_key_error("grid", f"{self.grid} points are more than the {self.frames} frames of the mixture")
        for kind, drum in self.drums.items():
            most_hits = int(drum.hits.support()[1])
            if most_hits > self.grid:
                raise make_key_error(
                    f"drums.{kind}.hits", f"{most_hits} hits do not fit on a grid of {self.grid} points"
                )
            if isinstance(self.patterns, RandomPatterns) and most_hits > (self.patterns.steps or self.grid):
                message = f"{most_hits} hits do not fit on {self.patterns.steps} steps"
                raise make_key_error(f"drums.{kind}.hits", message)

    def _check_patterns(self) -> None:
        patterns = self.patterns
        if isinstance(patterns, RandomPatterns):
            if (patterns.steps or 0) > self.grid:
                message = f"{patterns.steps} steps do not fit on a grid of {self.grid} points"
                raise make_key_error("patterns.steps", message)
            return
        for kind, drum in self.drums.items():
            if drum.humanise:
                message = "grooves keep the timing and the velocities of their drummers: remove the key"
                raise make_key_error(f"drums.{kind}.humanise", message)
        if GROOVE in self.kinds:
            raise make_key_error(
                f"drums.{GROOVE}", f"the index names performances '{GROOVE}': give the kind another name"
            )
        if 2 * self.grid < self.frames:
            # Otherwise an onset in the audio could be more than one frame from that of the performance.
            message = f"{self.grid} points are too coarse for grooves: write grid: {self.frames}, a point per frame"
            raise make_key_error("grid", message)

    def _check_loops(self) -> None:
        for kind in sorted(self.drums.keys() & self.loops.keys()):
            raise make_key_error(f"loops.{kind}", f"'{kind}' is under drums too: a kind is a drum or a loop")
        for kind, loop in self.loops.items():
            longest = loop.seconds.support()[1]
            if longest > self.seconds:
                message = f"{longest:g} s is longer than the mixture, {self.seconds:g} s"
                raise make_key_error(f"loops.{kind}.seconds", message)


GROOVE = "groove"
"""The kind under which the sources of a pair list the performance that its hits come from."""


def make_key_error(key: str, message: str) -> PydanticCustomError:
    """Return an error about a key such as ``drums.kick.hits``, for which the loader finds the line."""
    return PydanticCustomError("inconsistent", "{message}", {"message": message, "key": key})


def _list_frequencies(part: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield the key and the upper end of every frequency in a part of a recipe."""
    if isinstance(part, BaseModel):
        for name, field in type(part).model_fields.items():
            field_key = f"{key}.{name}" if key else name
            if any(isinstance(limit, Within) and limit.unit == "Hz" for limit in field.metadata):
                yield field_key, getattr(part, name).support()[1]
            else:
                yield from _list_frequencies(getattr(part, name), field_key)
    elif isinstance(part, dict):
        for name, item in part.items():
            yield from _list_frequencies(item, f"{key}.{name}")
    elif isinstance(part, tuple):
        for position, item in enumerate(part):
            yield from _list_frequencies(item, f"{key}.{position}")
