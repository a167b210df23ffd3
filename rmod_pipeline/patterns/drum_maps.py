"""Tables from the keys of MIDI files to kinds of drums: those that come with rmod, and those of users."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.recipe.schema import make_key_error
from rmod_pipeline.storage import Location, parse_location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.naming import NAME

FOLDER = Path(__file__).parent / "maps"
MAP_SUFFIXES = (".yaml", ".yml")
GENERAL_MIDI, ROLAND_TD = "general_midi", "roland_td"

KindName = Annotated[str, Field(pattern=NAME)]
Key = Annotated[int, Field(ge=0, le=127)]
Channel = Annotated[int, Field(ge=1, le=16)]


class DrumMap(Strict):
    """Which key of a MIDI file plays which kind of drum."""

    name: KindName = Field(description="Name of the map, which manifests of grooves hold.")
    description: str = Field(default="", description="What writes such files.")
    channels: tuple[Channel, ...] = Field(
        default=(10,), min_length=1, description="The MIDI channels of drums, 1..16; the notes of others are not read."
    )
    keys: dict[KindName, Annotated[tuple[Key, ...], Field(min_length=1)]] = Field(
        min_length=1, description="The MIDI keys of each kind, the one that the kind is written as first."
    )

    @model_validator(mode="after")
    def _check_keys(self) -> DrumMap:
        kinds: dict[int, str] = {}
        for kind, keys in self.keys.items():
            for key in keys:
                if kinds.setdefault(key, kind) != kind:
                    message = f"key {key} is both {kinds[key]} and {kind}: leave it in one of them"
                    raise make_key_error(f"keys.{kind}", message)
        return self

    def kinds_by_key(self) -> dict[int, str]:
        """Return the kind of each key that has one."""
        return {key: kind for kind, keys in self.keys.items() for key in keys}


def map_names() -> list[str]:
    """Return the names of the maps that come with rmod."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_drum_map(name: str | Location) -> DrumMap:
    """Load a map that comes with rmod by its name, or the YAML file of a location.

    Raises UsageError if there is none, RecipeError that lists every problem with its line.
    """
    if str(name) in map_names():
        return load_shipped_map(str(name))
    known = map_names()
    hint = f"write {' or '.join(known)}, or the path of a YAML file with the keys of each kind"
    if not str(name).lower().endswith(MAP_SUFFIXES):
        raise UsageError("--map", f"no map '{name}'{nearest(str(name), known)}", hint)
    path = require_file(parse_location(name), hint)
    drum_map = load_yaml_as(DrumMap, path, FOLDER / f"{GENERAL_MIDI}.yaml")
    if drum_map.name in known:
        found = f"has the name of a map that comes with rmod, {drum_map.name}"
        raise UsageError(path, found, "give it another name")
    return drum_map


@cache
def load_shipped_map(name: str) -> DrumMap:
    """Load a map that comes with rmod."""
    return load_yaml_as(DrumMap, FOLDER / f"{name}.yaml", FOLDER / f"{GENERAL_MIDI}.yaml")


@cache
def general_midi_keys() -> dict[str, int]:
    """Return the key as which General MIDI writes each kind."""
    return {kind: keys[0] for kind, keys in load_shipped_map(GENERAL_MIDI).keys.items()}
