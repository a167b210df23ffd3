"""Read and write manifests of grooves: one CSV per collection, one row per performance."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path

from rmod_pipeline.errors import LibraryError, ManifestError, quote
from rmod_pipeline.library.licences import LicenceClass, terms_of
from rmod_pipeline.library.manifest import (
    ROOT_PREFIX,
    CsvRow,
    check_inside,
    check_unique,
    parse_count,
    parse_licence_cell,
    parse_path,
    parse_sha256,
    parse_split,
    parse_text_cell,
    read_csv_rows,
    read_root,
    write_csv_rows,
)
from rmod_pipeline.patterns.drum_maps import MAP_SUFFIXES, DrumMap, load_drum_map, map_names
from rmod_pipeline.storage import Location, StorePath, parse_location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.naming import is_name

METRE = "4/4"

_DIGEST_COLUMNS = ("performance", "drummer", "sha256", "seconds", "kinds", "licence", "source", "group", "split")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrooveEntry:
    """One performance, which is one row of a manifest."""

    performance: str
    """Unique in the manifest, readable, derived from the path: ``drummer1/session1/100_neworleans``."""
    drummer: str
    """Who plays; empty if unknown."""
    path: str
    """POSIX path of the MIDI file relative to the root of the manifest; never outside it."""
    sha256: str
    """Of the file's bytes, hexadecimal."""
    map: str
    """Name of a map that comes with rmod, or the path of a YAML file relative to the manifest."""
    style: str
    """As its source names it, such as ``funk``; empty if unknown."""
    tempo: float
    """Beats per minute at the beginning."""
    metre: str
    bars: int
    seconds: float
    """To the end of the last bar."""
    kinds: str
    """Number of hits by kind, such as ``kick 12, snare 8``."""
    licence: str
    """SPDX identifier or LicenseRef-...; empty if unknown."""
    source: str
    """Origin, for attribution; empty if unknown."""
    group: str
    """Performances that must stay in one split share a group: a drummer, or all copies of one performance."""
    split: str
    """Split: train, valid or test."""
    split_hint: str
    """The split that the source proposes; empty if it proposes none."""

    def counts(self) -> dict[str, int]:
        """Return the number of hits by kind."""
        words = (part.rpartition(" ") for part in self.kinds.split(", "))
        return {kind: int(count) for kind, _, count in words if count.isascii() and count.isdecimal()}


GROOVE_COLUMNS = tuple(field.name for field in fields(GrooveEntry))


def format_counts(counts: Mapping[str, int]) -> str:
    """Return the cell of the number of hits by kind, the most frequent kind first."""
    return ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Grooves:
    """All performances that a build may use."""

    entries: tuple[GrooveEntry, ...]
    """Sorted by performance, so that a draw by position does not depend on the order of the rows."""
    maps: Mapping[str, DrumMap]
    """The maps of the entries, by what the column ``map`` holds."""
    root: Location
    """Folder that the paths of entries are relative to."""
    manifest: Location
    """File that the entries were read from."""
    digest: str
    """SHA-256 over what decides the bytes of a build: most columns, and the content of the maps."""

    def select(self, split: str) -> tuple[GrooveEntry, ...]:
        """Return the performances of a split."""
        return tuple(entry for entry in self.entries if entry.split == split)

    def path_of(self, entry: GrooveEntry) -> Location:
        """Return the location of a performance's file."""
        return self.root / entry.path


def load_grooves(manifest: Location | str) -> Grooves:
    """Read a manifest of grooves without reading any MIDI file.

    Raises UsageError if there is no such file, ManifestError, with line and column, for an invalid row, and RecipeError
    for an invalid map.
    """
    location = parse_location(manifest)
    scan_command = f"`rmod patterns scan DIR --out {quote(location)}`"
    path = require_file(location, f"make one with {scan_command}")
    rows = list(read_csv_rows(path, GROOVE_COLUMNS))
    if not rows:
        raise ManifestError(path, "a header but no rows", f"scan a folder that holds MIDI files: {scan_command}")
    root = read_root(path)
    real_root = None if isinstance(root, StorePath) else os.path.realpath(root)
    maps: dict[str, DrumMap] = {}
    for row in rows:
        name = row.cells["map"].strip()
        if name not in maps:
            maps[name] = _load_map(row, name, path)
    entries = tuple(sorted((_parse_entry(row, real_root) for row in rows), key=lambda entry: entry.performance))
    check_unique(rows, "performance")
    return Grooves(entries=entries, maps=maps, root=root, manifest=path, digest=compute_groove_digest(entries, maps))


def write_groove_manifest(path: Path, entries: Iterable[GrooveEntry], root: str = ".") -> None:
    """Write a manifest atomically, sorted by performance.

    ``root`` is the folder that the paths of entries are relative to, itself relative to the manifest's folder.
    """
    ordered = sorted(entries, key=lambda entry: entry.performance)
    first_row = [] if root == "." else [f"{ROOT_PREFIX} {root}"]
    rows = ([_format_cell(getattr(entry, column)) for column in GROOVE_COLUMNS] for entry in ordered)
    write_csv_rows(path, GROOVE_COLUMNS, rows, first_row)


def compute_groove_digest(entries: Iterable[GrooveEntry], maps: Mapping[str, DrumMap]) -> str:
    """Return the SHA-256 over what decides the bytes of a build. Where files and maps lie does not."""
    contents = {name: drum_map.model_dump(mode="json", exclude={"description"}) for name, drum_map in maps.items()}
    digest = sha256()
    for entry in sorted(entries, key=lambda entry: entry.performance):
        row = [getattr(entry, name) for name in _DIGEST_COLUMNS]
        digest.update(json.dumps([*row, contents[entry.map]]).encode() + b"\n")
    return digest.hexdigest()


def select_grooves_by_class(grooves: Grooves, licence_class: LicenceClass) -> Grooves:
    """Return the grooves whose licence belongs to a class; with ``any``, the grooves themselves.

    Every performance keeps its split. Raises LibraryError if none is left.
    """
    if licence_class is LicenceClass.ANY:
        return grooves
    kept = tuple(entry for entry in grooves.entries if licence_class.contains(terms_of(entry.licence).licence_class))
    if not kept:
        found = f"no performance has a licence of the class {licence_class}"
        raise LibraryError(grooves.manifest, found, "choose a wider class of --licences, or fill the column licence")
    return replace(grooves, entries=kept, digest=compute_groove_digest(kept, grooves.maps))


def check_groove_groups(grooves: Grooves) -> None:
    """Raise LibraryError if a group is in more than one split: then training data leaks into the test."""
    splits: dict[str, str] = {}
    for entry in grooves.entries:
        split = splits.setdefault(entry.group, entry.split)
        if split != entry.split:
            found = f"group {entry.group} is in {split} and {entry.split}"
            raise LibraryError(grooves.manifest, found, "give all rows of the group one split, or scan again")


def _load_map(row: CsvRow, name: str, manifest: Location) -> DrumMap:
    if name in map_names():
        return load_drum_map(name)
    if not name.lower().endswith(MAP_SUFFIXES):
        hint = f"write {', '.join(map_names())}, or the path of a YAML file relative to this one"
        raise row.error("map", f"{name!r} is no map", hint)
    folder = manifest.absolute().parent
    try:
        return load_drum_map(folder / name if isinstance(folder, Path) else folder.join_relative(name))
    except ValueError as error:
        raise row.error("map", f"{name!r}: {error}", "put the map into the manifest's bucket") from error


def _parse_entry(row: CsvRow, real_root: str | None) -> GrooveEntry:
    path = parse_path(row)
    if real_root is not None:  # object stores have no links
        check_inside(row, path, real_root)
    if row.cells["metre"].strip() != METRE:
        raise row.error("metre", f"{row.cells['metre'].strip()!r} is not {METRE}", f"write {METRE}, or delete the row")
    return GrooveEntry(
        performance=parse_text_cell(row, "performance"),
        drummer=row.cells["drummer"].strip(),
        path=path,
        sha256=parse_sha256(row),
        map=row.cells["map"].strip(),
        style=row.cells["style"].strip(),
        tempo=_parse_positive(row, "tempo"),
        metre=METRE,
        bars=parse_count(row, "bars"),
        seconds=_parse_positive(row, "seconds"),
        kinds=_parse_counts(row),
        licence=parse_licence_cell(row),
        source=row.cells["source"].strip(),
        group=parse_text_cell(row, "group"),
        split=parse_split(row),
        split_hint=row.cells["split_hint"].strip(),
    )


def _parse_positive(row: CsvRow, column: str) -> float:
    text = row.cells[column].strip()
    try:
        # A spreadsheet with decimal commas writes 3,5.
        value = float(text.replace(",", "."))
    except ValueError:
        value = 0.0
    if not 0 < value < 10**6:
        raise row.error(column, f"{text!r} is not a number above 0", "scan again to have it measured")
    return value


def _parse_counts(row: CsvRow) -> str:
    text = row.cells["kinds"].strip()
    for part in text.split(", "):
        kind, _, count = part.rpartition(" ")
        if not (is_name(kind) and count.isascii() and count.isdecimal() and len(count) < 10):
            raise row.error("kinds", f"{part!r} is no kind with its number of hits", "write kick 12, snare 8")
    return text


def _format_cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
