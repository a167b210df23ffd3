"""Tables from the keys of MIDI files to kinds of drums: those that come with rmod, and those of users.

The maps that come with rmod are part of the table of kinds, ``library/taxonomy.yaml``. Those of users are YAML files.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from rmod_pipeline.distributions import Strict
from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.taxonomy import GENERAL_MIDI, Kind, load_taxonomy
from rmod_pipeline.recipe.load import load_yaml_as
from rmod_pipeline.recipe.schema import make_key_error
from rmod_pipeline.storage import Location, parse_location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.naming import NAME

__all__ = ["EXAMPLE", "GENERAL_MIDI", "DrumMap", "general_midi_keys", "load_drum_map", "load_shipped_map", "map_names"]

EXAMPLE = Path(__file__).parent / "maps" / "my_kit.yaml"
"""A map as users write it."""
MAP_SUFFIXES = (".yaml", ".yml")

_FIRST = ("kick", "snare", "rim", "clap", "hihat", "open_hihat", "tom", "cymbal", "ride", "tambourine", "cowbell")
"""The order of these kinds in a map, which is part of the digest of grooves. The others follow as in the table."""

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
    return sorted(load_taxonomy().maps)


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
    drum_map = load_yaml_as(DrumMap, path, EXAMPLE)
    if drum_map.name in known:
        found = f"has the name of a map that comes with rmod, {drum_map.name}"
        raise UsageError(path, found, "give it another name")
    return drum_map


@cache
def load_shipped_map(name: str) -> DrumMap:
    """Return a map that comes with rmod. Raises KeyError for a name that is none."""
    taxonomy = load_taxonomy()
    facts, keys = taxonomy.maps[name], _keys_by_kind(taxonomy.kinds, name)
    kinds = sorted(keys, key=lambda kind: _FIRST.index(kind) if kind in _FIRST else len(_FIRST))
    return DrumMap(
        name=name, description=facts.description, channels=facts.channels, keys={kind: keys[kind] for kind in kinds}
    )


@cache
def general_midi_keys() -> dict[str, int]:
    """Return the key as which General MIDI writes each kind."""
    return {kind: keys[0] for kind, keys in load_shipped_map(GENERAL_MIDI).keys.items()}


def _keys_by_kind(rows: Iterable[Kind], name: str) -> dict[str, tuple[int, ...]]:
    """Return the keys of each kind in a map: first the one that the kind is written as, then the others, ascending.

    The rows of one kind, such as a closed and a pedal hi-hat, share it; the first of them gives the key to write.
    """
    keys: dict[str, list[int]] = {}
    for row in rows:
        if name in row.midi:
            keys.setdefault(row.groove_kind, []).extend(row.midi[name])
    return {kind: (first, *sorted(others)) for kind, (first, *others) in keys.items()}
