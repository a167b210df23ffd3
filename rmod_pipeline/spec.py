"""``PairSpec``: the complete plan of one pair, with every random choice made and no audio read.

Besides the library's sounds, rendering needs nothing else. So anyone with the library can rebuild a pair, bit for bit,
from the JSON stored with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import not_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from rmod_pipeline.effects import AnyEffect
from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage.naming import NAME

Name = Annotated[str, Field(pattern=NAME)]
"""A split or kind. It becomes part of file names, so the pattern keeps paths out of specs from untrusted files."""

Frames = Annotated[int, Field(ge=0, le=2**28)]
Count = Annotated[int, Field(ge=0)]


IMPORTED = "imported"
"""The engine of pairs that came from files. Their specs hold what is known of them, and nothing can render them."""

_HINT = "use the .json that the build stored with the pair"


class SpecError(RmodError):
    """A pair's JSON does not hold a valid PairSpec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairId:
    """The identity of one pair. With recipe and library it determines everything in the pair."""

    seed: int
    split: Name
    index: Annotated[int, Field(ge=0, lt=10**8)]
    attempt: Count = 0

    @property
    def key(self) -> str:
        """The WebDataset key, such as ``train-00000012``; it is the same for every attempt."""
        return f"{self.split}-{self.index:08d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values that render needs and that all pairs of a recipe share; lengths are in frames."""

    engine: str
    sample_rate: Annotated[int, Field(ge=1000, le=1_000_000)]
    frames: Annotated[int, Field(ge=1, le=2**28)]
    """Length of the mixture."""
    grid: Annotated[int, Field(ge=1)]
    """Points of the MIDI grid over the mixture."""
    one_shot_frames: Frames
    """Longest one-shot; a longer one is cut and faded."""
    one_shot_fade_frames: Frames
    """Fade before that cut."""
    truncation_fade_frames: Frames
    """Fade of a sounding hit before the next hit cuts it; 0 is a hard cut."""
    loop_frames: Frames
    """Longest part of a loop that is read and pitch-shifted."""
    loop_fade_frames: Frames
    """Fade at both ends of every repeat of a loop; 0 is a hard cut."""
    velocity_exponent: Annotated[float, Field(gt=0, le=4, exclude_if=lambda exponent: exponent == 1)] = 1.0
    """Curve from velocity to amplitude, see ``amplitude``. The JSON omits the key if it is 1."""

    def onset(self, tick: int) -> int:
        """Return the frame of a grid point, rounded to nearest, halves up, in integer arithmetic."""
        return onset_frame(tick, self.frames, self.grid)

    def amplitude(self, velocity: int) -> float:
        """Return the linear gain of a hit: ((velocity + 1) / 128) to the power of ``velocity_exponent``."""
        return float(((velocity + 1) / 128) ** self.velocity_exponent)


def onset_frame(tick: int, frames: int, grid: int) -> int:
    """Return the frame of a point of a grid over ``frames``; see ``Settings.onset``."""
    return (2 * tick * frames + grid) // (2 * grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One hit of a drum."""

    tick: Count
    """Position on the grid."""
    velocity: Annotated[int, Field(ge=1, le=127)]
    """MIDI velocity, 1..127; ``Settings.amplitude`` is its gain."""
    end: Annotated[int | None, Field(ge=1, exclude_if=not_)] = None
    """Position at which another drum chokes the hit, as a closed hi-hat does an open one. The JSON omits it if none
    does before the next hit of the drum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One sound of a layered one-shot."""

    asset: str
    sha256: str
    weight: float
    """Linear gain."""
    semitones: Annotated[float, Field(ge=-24, le=24, exclude_if=not_)] = 0.0
    """Change of speed, which shifts pitch and length together. The JSON omits the key if it is 0."""
    effects: Annotated[tuple[AnyEffect, ...], Field(exclude_if=not_)] = ()
    """Effects of the sound before it is layered, such as a band of a crossover. The JSON omits an empty chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A parallel chain: its input is the track after the inserts, its output is added to the track."""

    name: str
    level_db: float
    effects: tuple[AnyEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumTrack:
    """A layered one-shot, played at every note."""

    kind: Name
    target: bool
    """Whether the dry one-shot is a target that a model must extract."""
    layers: tuple[Layer, ...]
    notes: tuple[Note, ...]
    inserts: tuple[AnyEffect, ...]
    sends: tuple[Send, ...] = ()
    one_shot: Annotated[tuple[AnyEffect, ...], Field(exclude_if=not_)] = ()
    """Effects of the layered one-shot before it is played: part of the target. The JSON omits an empty chain."""


def note_ends(notes: Sequence[Note], grid: int) -> list[int]:
    """Return where each hit of a drum ends: where it is choked, at the next hit of the drum, or at the end of the grid.

    The ends are points of the grid. One-shots may end before.
    """
    following = [*(note.tick for note in notes[1:]), grid]
    return [end if note.end is None else min(note.end, end) for note, end in zip(notes, following, strict=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTrack:
    """A backing loop: shifted in pitch, cut and repeated."""

    kind: Name
    asset: str
    sha256: str
    semitones: Annotated[int, Field(ge=-48, le=48)]
    period_frames: Annotated[int, Field(ge=1, le=2**28)]
    """The loop is cut to this length and repeated to the length of the mixture."""
    inserts: tuple[AnyEffect, ...]
    sends: tuple[Send, ...] = ()


Track = DrumTrack | LoopTrack


@dataclass(frozen=True, slots=True, kw_only=True)
class Groove:
    """The window of a performance that the hits of a pair come from."""

    performance: str
    """Its id in the manifest of grooves."""
    sha256: str
    """Of the MIDI file."""
    drummer: str
    group: str
    """Performances that must stay in one split share a group."""
    licence: str
    source: str
    bar: Count
    """Number of the bar with which the window begins, from 0."""
    start_seconds: Annotated[float, Field(ge=0)]
    """Position of the window in the performance."""
    tempo: Annotated[float, Field(gt=0)]
    """Beats per minute at that bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSpec:
    """The plan of one pair: its identity, its tracks and the master chain."""

    recipe: str
    output_version: int
    address: PairId
    settings: Settings
    drums: tuple[DrumTrack, ...]
    loops: tuple[LoopTrack, ...]
    master: tuple[AnyEffect, ...]
    groove: Annotated[Groove | None, Field(exclude_if=not_)] = None
    """Where the hits come from; None for random ones. The JSON omits it then."""
    original_key: Annotated[str, Field(exclude_if=not_)] = ""
    """The name of an imported pair in the folder that it came from. The JSON of a rendered pair omits the key."""

    @property
    def is_imported(self) -> bool:
        """Whether the pair came from files. Its one-shots are single layers, its mixture is a loop that plays once.

        Its notes are the known hits, on a grid of frames; a drum without notes has unknown hits.
        """
        return self.settings.engine == IMPORTED

    @property
    def key(self) -> str:
        """The WebDataset key, such as ``train-00000012``."""
        return self.address.key

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Drums first, then loops, each in the recipe's order."""
        return (*self.drums, *self.loops)

    @property
    def targets(self) -> tuple[DrumTrack, ...]:
        """The drums whose one-shot is a target."""
        return tuple(track for track in self.drums if track.target)

    def sources(self) -> tuple[tuple[str, str, str], ...]:
        """Return (kind, asset id, sha256) of every sound in the pair, in the order of tracks."""
        drums = ((track.kind, layer.asset, layer.sha256) for track in self.drums for layer in track.layers)
        loops = ((track.kind, track.asset, track.sha256) for track in self.loops)
        return (*drums, *loops)

    def with_engine(self, engine: str) -> PairSpec:
        """Return the same spec for another engine."""
        return replace(self, settings=replace(self.settings, engine=engine))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as a dict of JSON types."""
        content: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return content

    def to_json(self) -> str:
        """Return the spec as one line of JSON."""
        return _adapter().dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes, about: object = "pair spec") -> PairSpec:
        """Parse a spec; ``about`` names the file in errors. Raises SpecError."""
        try:
            spec = _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the file"
            raise SpecError(about, f"{field}: {first['msg']}", _HINT) from error
        for drum in spec.drums:
            ticks, grid = [note.tick for note in drum.notes], spec.settings.grid
            if ticks != sorted(set(ticks)) or any(tick >= grid for tick in ticks) or not drum.layers:
                found = f"drums.{drum.kind}: notes are not in ascending order within the grid, or there are no layers"
                raise SpecError(about, found, _HINT)
            if any(note.end is not None and not note.tick < note.end <= grid for note in drum.notes):
                raise SpecError(about, f"drums.{drum.kind}: a note ends before it begins, or after the grid", _HINT)
        return spec


@cache
def _adapter() -> TypeAdapter[PairSpec]:
    return TypeAdapter(PairSpec)
