"""Read and write ``organised.csv``: one row per file of a source."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from rmod_pipeline.curation.organise.records import (
    COPY_OF,
    PLACED,
    SKIPPED,
    TABLE_NAME,
    THERE,
    TO_PLACE,
    OrganisedFile,
)
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.manifest import (
    CsvRow,
    MissingColumnError,
    find_path_problem,
    read_csv_rows,
    write_csv_rows,
)
from rmod_pipeline.storage.folders import require_file

COLUMNS = tuple(field.name for field in fields(OrganisedFile))
OTHER_TO = "choose another --to"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_table(path: Path, files: Iterable[OrganisedFile]) -> None:
    """Write a table completely or not at all, in place of an older one. Raises UsageError if it cannot be written."""
    try:
        write_csv_rows(path, COLUMNS, map(_cells, files))
    except UsageError as error:
        raise UsageError(error.about, error.found, f"free space, or {OTHER_TO}") from error


def format_table(files: Iterable[OrganisedFile]) -> str:
    """Return a table as the text of a CSV file, in which every cell is quoted."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([COLUMNS, *map(_cells, files)])
    return text.getvalue()


def read_table(path: Path) -> list[OrganisedFile]:
    """Return the rows of a table.

    Raises UsageError if there is no such file or it is another kind of table, and ManifestError, with line and column,
    for a row that organising did not write.
    """
    require_file(path, f"name the {TABLE_NAME} in a folder that `rmod library organise` made")
    try:
        return [_parse_row(row) for row in read_csv_rows(path, COLUMNS)]
    except MissingColumnError as error:
        hint = f"rmod writes its own {TABLE_NAME}: move this one away, or {OTHER_TO}"
        raise UsageError(path, "was not written by `rmod library organise`", hint) from error


def read_previous(to: Path) -> list[OrganisedFile]:
    """Return the rows of a tree's table; none if it has no table yet. Raises the errors of ``read_table``."""
    path = to / TABLE_NAME
    return read_table(path) if path.exists() or path.is_symlink() else []


def _cells(file: OrganisedFile) -> list[str]:
    return [getattr(file, column) for column in COLUMNS]


def _parse_row(row: CsvRow) -> OrganisedFile:
    file = OrganisedFile(**{column: row.cells[column] for column in COLUMNS})
    hint = f"restore the {TABLE_NAME} that rmod wrote"
    if not _is_action(file.action):
        raise row.error("action", f"{file.action!r} is no action", hint)
    if file.has_place:
        _check_place(row, file, hint)
    return file


def _check_place(row: CsvRow, file: OrganisedFile, hint: str) -> None:
    """Raise ManifestError unless a row speaks for a file inside the tree."""
    problem = find_path_problem(file.new_path)
    if not problem and any(name in ("", ".") for name in file.new_path.split("/")):
        problem = "has a folder without a name"
    if problem:
        raise row.error("new_path", f"{file.new_path!r} {problem}", hint)
    if not _SHA256.fullmatch(file.sha256):
        raise row.error("sha256", f"{file.sha256!r} is not 64 hexadecimal digits", hint)


def _is_action(text: str) -> bool:
    return text in (PLACED, TO_PLACE, THERE) or text.startswith((SKIPPED, COPY_OF))
