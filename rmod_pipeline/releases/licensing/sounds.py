"""Find which sounds a release uses, and under which licences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from rmod_pipeline.library.licences import LicenceClass, combine_licences, terms_of
from rmod_pipeline.library.licences.terms import LicenceTerms
from rmod_pipeline.reading.pairs import read_receipts
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import Location

_CREATOR = re.compile(r"[^\s:]+:\S+ by (?P<name>\S.*)")
"""A source such as ``freesound:12345 by somebody``: an identifier with a colon, and a name."""

_COLUMNS = ("key", "status", "sources")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AttributedSound:
    """One sound that released pairs use."""

    file: str
    """The id of the sound in its library, such as ``kick/audiophob/tom-0105``."""
    kind: str
    creator: str
    """Who made it, as far as its source says; empty if it does not."""
    source: str
    """Where it is from; empty if unknown."""
    licence: str
    """An SPDX expression; empty if unknown."""
    sha256: str
    """Of the file, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensing:
    """The sounds of a release and what their licences say together."""

    sounds: tuple[AttributedSound, ...]
    """Exactly the sounds of the released pairs, sorted by file."""
    expression: str
    """One SPDX expression for the whole. A sound of unknown licence stands in it as LicenseRef-rmod-unknown."""
    allowed: tuple[str, ...]
    """Licences that a release must name, and that the user named."""
    licence_class: LicenceClass
    """The class that the release was cut to; ``any`` if it was not."""

    @property
    def terms(self) -> LicenceTerms:
        """What the licences of the sounds ask together. The expression may hold names that nobody else knows."""
        return reduce(LicenceTerms.joined, (terms_of(sound.licence) for sound in self.sounds), LicenceTerms())


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedPairs:
    """The pairs of a data set that a release holds, and their sounds."""

    keys: frozenset[str] | None
    """None if no pair is left out."""
    pairs: Mapping[str, int]
    """Number by split, in the order of the receipts."""
    sounds: tuple[AttributedSound, ...]
    """The sounds of these pairs, sorted by file."""
    mixtures: Mapping[frozenset[str], str]
    """Every set of licences that a pair brings together, with the first key that does."""
    licences: frozenset[str]
    """The licences of all sounds of the data set, released or not."""


def select_pairs(out: Location, licence_class: LicenceClass) -> SelectedPairs:
    """Return the pairs of a data set whose sounds all belong to a class of licences. Reads the index shard by shard.

    Raises ShardError for an unreadable index.
    """
    keys: set[str] = set()
    pairs: dict[str, int] = {}
    sounds: set[AttributedSound] = set()
    mixtures: dict[frozenset[str], str] = {}
    licences: set[str] = set()
    left_out = False
    for split, row in _read_pair_rows(out):
        pairs.setdefault(split, 0)
        together = frozenset(str(source["licence"]) for source in row["sources"])
        licences |= together
        if not all(licence_class.contains(terms_of(licence).licence_class) for licence in together):
            left_out = True
            continue
        pairs[split] += 1
        keys.add(row["key"])
        mixtures.setdefault(together, row["key"])
        sounds.update(attribute(source) for source in row["sources"])
    return SelectedPairs(
        keys=frozenset(keys) if left_out else None,
        pairs=pairs,
        sounds=tuple(sorted(sounds)),
        mixtures=mixtures,
        licences=frozenset(licences),
    )


def make_licensing(selected: SelectedPairs, allowed: tuple[str, ...], licence_class: LicenceClass) -> Licensing:
    """Return what the licences of selected pairs say together."""
    return Licensing(
        sounds=selected.sounds,
        expression=combine_licences(sound.licence for sound in selected.sounds),
        allowed=allowed,
        licence_class=licence_class,
    )


def attribute(source: Mapping[str, Any]) -> AttributedSound:
    """Return the sound that an entry of the column ``sources`` of an index describes."""
    text = str(source["source"])
    creator = _CREATOR.fullmatch(text)
    return AttributedSound(
        file=str(source["id"]),
        kind=str(source["kind"]),
        creator=creator["name"] if creator else "",
        source=text,
        licence=str(source["licence"]),
        sha256=str(source["sha256"]),
    )


def _read_pair_rows(out: Location) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the split and the row of every pair, in the order of shards."""
    layout = Layout(out)
    for receipt in read_receipts(out):
        for row in read_index(layout.index(receipt.shard), _COLUMNS):
            if row["status"] == PAIR:
                yield receipt.split, row
