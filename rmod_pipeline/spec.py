"""What one pair is to be: every choice made, no audio read.

A ``PairSpec`` is all that render needs besides the sounds, so anyone with the library can rebuild a pair, bit for bit,
from the JSON beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from operator import not_
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from rmod_pipeline.effects import AnyEffect
from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage.naming import NAME

Name = Annotated[str, Field(pattern=NAME)]
"""A split or kind: it becomes part of file names, so a spec from elsewhere may not smuggle a path in."""

Frames = Annotated[int, Field(ge=0, le=2**28)]
Count = Annotated[int, Field(ge=0)]


class SpecError(RmodError):
    """A pair's JSON is not a PairSpec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairId:
    """Where a pair stands: with recipe and library, all that it depends on."""

    seed: int
    split: Name
    index: Annotated[int, Field(ge=0, lt=10**8)]
    attempt: Count = 0

    @property
    def key(self) -> str:
        """The WebDataset key: ``train-00000012``. The same for every attempt: a pair takes its reject's place."""
        return f"{self.split}-{self.index:08d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all pairs of a recipe share and render needs."""

    engine: str
    sample_rate: Annotated[int, Field(ge=1000, le=1_000_000)]
    frames: Annotated[int, Field(ge=1, le=2**28)]
    """Length of the mixture."""
    grid: Annotated[int, Field(ge=1)]
    """Points of the MIDI grid over the mixture."""
    one_shot_frames: Frames
    """Longest one-shot; what is longer is cut and faded."""
    one_shot_fade_frames: Frames
    truncation_fade_frames: Frames
    """Fade before a new hit cuts the sounding one; 0 is a hard cut."""
    loop_frames: Frames
    """Longest part of a loop that is pitch-shifted."""
    loop_fade_frames: Frames
    """Fade at both ends of every repeat of a loop; 0 is a hard cut."""

    def onset(self, tick: int) -> int:
        """Return the frame of a grid point, rounded to nearest, halves up, in whole numbers."""
        return (2 * tick * self.frames + self.grid) // (2 * self.grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One hit."""

    tick: Count
    velocity: Annotated[int, Field(ge=1, le=127)]
    """MIDI, 1..127; the amplitude is (velocity + 1) / 128."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One sound of a layered one-shot."""

    asset: str
    sha256: str
    weight: float
    semitones: Annotated[float, Field(ge=-24, le=24, exclude_if=not_)] = 0.0
    """Played so much faster, pitch and length together. The JSON has the key only where it is used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """A parallel chain: taken after the inserts, joined to its track before the sum."""

    name: str
    level_db: float
    effects: tuple[AnyEffect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumTrack:
    """A layered one-shot played at notes."""

    kind: Name
    target: bool
    """Whether the dry one-shot is one of the pair's answers."""
    layers: tuple[Layer, ...]
    notes: tuple[Note, ...]
    inserts: tuple[AnyEffect, ...]
    sends: tuple[Send, ...] = ()
    one_shot: Annotated[tuple[AnyEffect, ...], Field(exclude_if=not_)] = ()
    """What the layered one-shot goes through before it is played: part of the answer. In the JSON if there is any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTrack:
    """A backing loop, shifted in pitch, cropped or repeated."""

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
class PairSpec:
    """One pair: where it stands, its tracks, the master chain."""

    recipe: str
    output_version: int
    address: PairId
    settings: Settings
    drums: tuple[DrumTrack, ...]
    loops: tuple[LoopTrack, ...]
    master: tuple[AnyEffect, ...]

    @property
    def key(self) -> str:
        return self.address.key

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Drums first, then loops, each in the recipe's order."""
        return (*self.drums, *self.loops)

    @property
    def targets(self) -> tuple[DrumTrack, ...]:
        """The drums whose one-shot is to be extracted."""
        return tuple(track for track in self.drums if track.target)

    def sources(self) -> tuple[tuple[str, str, str], ...]:
        """Return (kind, asset id, sha256) of every sound used, in order of tracks."""
        drums = ((track.kind, layer.asset, layer.sha256) for track in self.drums for layer in track.layers)
        loops = ((track.kind, track.asset, track.sha256) for track in self.loops)
        return (*drums, *loops)

    def with_engine(self, engine: str) -> PairSpec:
        """Return the same pair for another engine."""
        return replace(self, settings=replace(self.settings, engine=engine))

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON types."""
        return _adapter().dump_python(self, mode="json")

    def to_json(self) -> str:
        """Return the spec as one line of JSON."""
        return _adapter().dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes, about: object = "pair spec") -> PairSpec:
        """Read a spec; ``about`` names the file in the error. Raises SpecError."""
        try:
            spec = _adapter().validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            raise SpecError(about, f"{place}: {first['msg']}", "use the .json that stands beside a pair") from error
        for drum in spec.drums:
            ticks = [note.tick for note in drum.notes]
            if ticks != sorted(set(ticks)) or any(tick >= spec.settings.grid for tick in ticks) or not drum.layers:
                found = f"drums.{drum.kind}: notes that do not rise within the grid, or no layers"
                raise SpecError(about, found, "use the .json that stands beside a pair")
        return spec


@cache
def _adapter() -> TypeAdapter[PairSpec]:
    return TypeAdapter(PairSpec)
