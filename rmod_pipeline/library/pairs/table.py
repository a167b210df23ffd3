"""Read the table that may come with a folder of pairs: licence, kit, group, source and split by key."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.manifest import SPLITS, CsvRow, read_csv_rows
from rmod_pipeline.library.pairs.folder import LeftOut, PairFiles
from rmod_pipeline.storage.folders import require_file

TABLE_HINT = "a table has the column key, and any of licence, kit, group, source and split"
NO_PAIR = "a row of the table that fits no pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairNotes:
    """What is known of a pair beside its sounds; empty where nothing is known."""

    licence: str = ""
    """An SPDX expression for all its files."""
    kit: str = ""
    group: str = ""
    """Pairs that must stay in one split share a group."""
    source: str = ""
    split: str = ""


def read_pair_table(
    path: Path | None, pairs: Iterable[PairFiles], licence: str
) -> tuple[dict[str, PairNotes], tuple[LeftOut, ...]]:
    """Return the notes of each pair by its name, and the rows that fit no pair.

    ``licence``: that of all pairs to which the table gives none. Raises UsageError for a licence that is none and for a
    missing file, ManifestError for a file that is no such table.
    """
    notes = {pair.name: PairNotes(licence=parse_licence(licence)) for pair in pairs}
    if path is None:
        return notes, ()
    names: dict[str, list[str]] = {name: [name] for name in notes}
    for pair in pairs:
        if pair.name != pair.key:
            names.setdefault(pair.key, []).append(pair.name)
    left_out: list[LeftOut] = []
    for row in read_csv_rows(require_file(path, TABLE_HINT), ("key",)):
        given = _read_notes(row)
        key = row.cells["key"].strip()
        if key not in names:
            left_out.append(LeftOut(name=key, reason=NO_PAIR, detail=f"{path.name}, line {row.line}"))
        for name in names.get(key, ()):
            notes[name] = replace(notes[name], **given)
    return notes, tuple(left_out)


def _read_notes(row: CsvRow) -> dict[str, str]:
    """Return the notes in a row that are not empty. Raises ManifestError for an invalid licence or split."""
    names = (field.name for field in fields(PairNotes))
    given = {name: value for name in names if (value := row.cells.get(name, "").strip())}
    try:
        parse_licence(given.get("licence", ""))
    except UsageError as error:
        raise row.error("licence", error.found, error.hint) from error
    if given.get("split", SPLITS[0]) not in SPLITS:
        hint = f"write {', '.join(SPLITS)}, or leave it empty"
        raise row.error("split", f"{given['split']!r} is not a split", hint)
    return given
