"""Answer questions about classes and kinds of sounds, from the one table in ``taxonomy.yaml``.

A class is what a classifier tells apart, such as hihat. A subkind is a part of a class, such as open. A kind is what a
manifest or a groove holds: ``open_hihat`` for that subkind, and the name of the class for most others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from rmod_pipeline.library.kinds.subkinds import find_subkind
from rmod_pipeline.library.kinds.table import Kind, Taxonomy, load_taxonomy, parse_taxonomy
from rmod_pipeline.library.kinds.vocabulary import ONE_SHOT_KINDS

__all__ = [
    "CLASSES",
    "GENERAL_MIDI",
    "NOT_A_DRUM",
    "ONE_SHOT_KINDS",
    "ROLAND_TD",
    "Kind",
    "Taxonomy",
    "aliases",
    "class_of",
    "kind_of",
    "load_taxonomy",
    "midi_kinds",
    "parse_taxonomy",
    "read_subkind",
    "seven_class",
    "subkinds_of",
]

NOT_A_DRUM = "not_a_drum"
"""The class of sounds that are no drums."""
GENERAL_MIDI, ROLAND_TD = "general_midi", "roland_td"
"""Names of the maps from MIDI keys to kinds."""

CLASSES = tuple(row.class_name for row in load_taxonomy().classes)
"""Names of the classes, in the order of the table."""


def subkinds_of(class_name: str) -> tuple[str, ...]:
    """Return the subkinds of a class in the order of the table: closed, open, pedal; empty if it has none.

    Raises KeyError for a name that is no class.
    """
    whole = _row(class_name)
    return tuple(subkind for name, subkind in _rows() if name == whole.class_name and subkind)


def kind_of(class_name: str, subkind: str = "") -> str:
    """Return the kind of a class in manifests: ``open_hihat`` for hihat and open, ``cymbal`` for cymbal and ride.

    Raises KeyError for a name that is no class, or no subkind of it.
    """
    return _row(class_name, subkind).kind


def class_of(kind: str) -> tuple[str, str] | None:
    """Return class and subkind of a kind in a manifest or a groove; the subkind is empty where the kind leaves it open.

    ``open_hihat`` and ``openhat`` are (hihat, open), ``ride`` is (cymbal, ride), ``hihat`` is (hihat, ""), ``timbale``
    is (percussion, ""), ``bass`` is (not_a_drum, ""). A subkind may stand before or after its class: ``low_tom``,
    ``tom_low``. A kind is any word, so an unknown one is no mistake: it returns None.
    """
    return _classes_by_kind().get(kind)


def seven_class(class_name: str) -> str | None:
    """Return the class among the seven of the public roadmap for one-shot classification; None if it has none.

    They are clap, cowbell, cymbal, hat, kick, snare and tom. Raises KeyError for a name that is no class.
    """
    return _row(class_name).seven_class


def read_subkind(class_name: str, name: str) -> str:
    """Return the subkind that the name of a file tells, if the sound is of a class; empty if it tells none or several.

    ``Hat Open 02`` of hihat is open, ``Floor Tom`` of tom is low, ``Crash 16`` of cymbal is crash. Raises KeyError for
    a name that is no class.
    """
    return find_subkind(_row(class_name).class_name, name)


@cache
def midi_kinds(map_name: str) -> Mapping[int, Kind]:
    """Return the row of the table that each key of a map from MIDI keys to kinds plays; empty for an unknown map."""
    rows = load_taxonomy().kinds
    return MappingProxyType({key: row for row in rows for key in row.midi.get(map_name, ())})


@cache
def aliases() -> Mapping[str, str]:
    """Return the kind in manifests for each other word for one: open_hihat for openhat."""
    return MappingProxyType({alias: row.kind for row in load_taxonomy().kinds for alias in row.aliases})


def _row(class_name: str, subkind: str = "") -> Kind:
    return _rows()[class_name, subkind]


@cache
def _rows() -> Mapping[tuple[str, str], Kind]:
    """Return the rows of classes and subkinds by their names."""
    rows = {(row.class_name, row.subkind): row for row in load_taxonomy().kinds if not row.member}
    return MappingProxyType(rows)


@cache
def _classes_by_kind() -> Mapping[str, tuple[str, str]]:
    classes: dict[str, tuple[str, str]] = {}
    for row in load_taxonomy().kinds:
        names = [row.kind, row.groove_kind, *row.aliases]
        if row.subkind:
            names += [f"{row.class_name}_{row.subkind}", f"{row.subkind}_{row.class_name}"]
        for name in names:
            # The row of the class comes first, so that hihat is no closed one.
            classes.setdefault(name, (row.class_name, row.subkind))
    return MappingProxyType(classes)
