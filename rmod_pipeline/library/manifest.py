"""Read and write library manifests: one CSV per library, one row per sound.

A manifest is written as UTF-8 with commas and newlines, so that it can be edited by hand. It is read in the variants
that spreadsheets produce: byte-order mark, UTF-16, CRLF, semicolons or tabs, decimal commas, blank rows, extra columns.
Errors name the line and the column.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import TextIO

from rmod_pipeline.errors import ManifestError, UsageError, nearest, quote
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.kinds.names import suggest_kind
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.storage import Location, StorePath, parse_location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.naming import NAME_IN_WORDS, is_name, nearest_name
from rmod_pipeline.storage.writing import report_unwritable, temporary_file

BUILTIN = "builtin"
"""Name that stands for the manifest of the built-in kit."""

SPLITS = ("train", "valid", "test")

ROOT_PREFIX = "# root:"
"""Start of the first line of a manifest whose sounds are outside its own folder. The rest of the line is the folder of
the sounds, relative to the manifest. Only this line may contain `..`."""

MANIFEST_COLUMNS = tuple(field.name for field in fields(Asset) if field.default is MISSING)
HEARD_COLUMNS = tuple(field.name for field in fields(Asset) if field.default is not MISSING)
"""Columns that only a scan with an ear writes."""

_DIGEST_COLUMNS = ("id", "kind", "group", "split", "licence", "source", "sha256")

_DIRECTIVES = ("sep=", ROOT_PREFIX)
_LEAVES_FOLDER = "leaves the folder by .."
_WINDOWS_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Ids and groups are printed, logged and indexed: they must not contain line breaks or terminal control codes.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class MissingColumnError(ManifestError):
    """A CSV file lacks a required column."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row of a CSV file: its line number, and its cells by column name."""

    file: Location
    line: int
    cells: dict[str, str]

    def error(self, column: str, found: str, hint: str = "") -> ManifestError:
        """Return an error that names this row and a column."""
        return ManifestError(f"{self.file}, line {self.line}, column {column}", found, hint)


def load_library(manifest: Location | str) -> Library:
    """Read a manifest without reading any audio; the name ``builtin`` stands for the built-in kit.

    Raises UsageError if there is no such file, and ManifestError, with line and column, for an invalid row.
    """
    if str(manifest) == BUILTIN:
        from rmod_pipeline.library.builtin_kit import ensure_builtin

        manifest = ensure_builtin()
    suggestion = nearest(str(manifest), (BUILTIN,)) if str(manifest).isalpha() else ""
    location = parse_location(manifest)
    name = location if isinstance(location, Path) and location.suffix.lower() == ".csv" else "NAME.csv"
    scan_command = f"`rmod library scan DIR --out {quote(name)}`"
    path = require_file(location, f"make one with {scan_command}{suggestion}")
    rows = list(read_csv_rows(path, MANIFEST_COLUMNS))
    if not rows:
        raise ManifestError(path, "a header but no rows", f"scan a folder that holds audio: {scan_command}")
    root = read_root(path)
    real_root = None if isinstance(root, StorePath) else os.path.realpath(root)
    assets = tuple(sorted((_parse_asset(row, real_root) for row in rows), key=lambda asset: asset.id))
    check_unique(rows)
    return Library(assets=assets, root=root, manifest=path, digest=compute_library_digest(assets))


def write_manifest(path: Path, assets: Iterable[Asset], root: str = ".") -> None:
    """Write a manifest atomically, sorted by id.

    ``root`` is the folder that the assets' paths are relative to, itself relative to the manifest's folder.
    """
    write_csv_rows(path, *_tabulate(assets), [] if root == "." else [f"{ROOT_PREFIX} {root}"])


def encode_manifest(assets: Iterable[Asset]) -> bytes:
    """Return a manifest in the folder that its paths are relative to, as ``write_manifest`` writes it."""
    return encode_csv_rows(*_tabulate(assets))


def _tabulate(assets: Iterable[Asset]) -> tuple[Sequence[str], Iterator[Sequence[str]]]:
    """Return columns and rows of a manifest."""
    ordered = sorted(assets, key=lambda asset: asset.id)
    columns = MANIFEST_COLUMNS
    if any(asset.kind_from for asset in ordered):
        columns += HEARD_COLUMNS
    return columns, ([_format_cell(getattr(asset, column)) for column in columns] for asset in ordered)


def compute_library_digest(assets: Iterable[Asset]) -> str:
    """Return the SHA-256 over the columns that decide the bytes of a build, in the order of ids."""
    digest = sha256()
    for asset in sorted(assets, key=lambda asset: asset.id):
        digest.update(json.dumps([getattr(asset, name) for name in _DIGEST_COLUMNS]).encode() + b"\n")
    return digest.hexdigest()


def write_csv_rows(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], first_row: Sequence[str] = ()
) -> None:
    """Write a CSV file atomically (UTF-8, commas, newlines); ``first_row``, if any, precedes the header.

    Raises UsageError if the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    with report_unwritable(path, "choose an --out in a folder that you can write to"), temporary_file(temporary):
        with temporary.open("x", encoding="utf-8", newline="") as file:
            _write_rows(file, chain((first_row,) if first_row else (), (columns,), rows))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)


def encode_csv_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a CSV file as ``write_csv_rows`` writes it."""
    stream = io.StringIO(newline="")
    _write_rows(stream, chain((columns,), rows))
    return stream.getvalue().encode()


def _write_rows(file: TextIO, rows: Iterable[Sequence[str]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    quoting_writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        # Python does not quote a lone carriage return when writing, but ends a row at it when reading.
        (quoting_writer if any("\r" in cell for cell in row) else writer).writerow(row)


def read_csv_rows(path: Location, columns: Sequence[str], data: bytes | None = None) -> Iterator[CsvRow]:
    """Yield the rows of a CSV file that has the given columns, in any order; other columns are allowed.

    ``data``: the bytes of the file, if they were read already.

    Raises MissingColumnError, and ManifestError for text that is not CSV and for a row with too few or too many cells.
    """
    text = _decode(path, _read_bytes(path) if data is None else data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_detect_delimiter(text))
    try:
        header = _read_header(path, reader, columns)
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
                found = f"{len(cells)} cells where the header has {len(header)}"
                raise ManifestError(f"{path}, line {line}", found, "quote a cell that contains the separator")
            yield CsvRow(path, line, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise ManifestError(f"{path}, line {reader.line_num}", f"not CSV: {error}", "save it as CSV, UTF-8") from error


def parse_kind(row: CsvRow) -> str:
    """Return a row's kind. Raises ManifestError, with a valid example, for a name that no recipe could refer to."""
    kind = row.cells["kind"].strip()
    if not is_name(kind):
        raise row.error("kind", f"{kind!r} is no kind", f"write {_propose_kind(kind)}: a kind has {NAME_IN_WORDS}")
    return kind


def parse_licence_cell(row: CsvRow) -> str:
    """Return a row's licence; empty if unknown. Raises ManifestError if it does not have the form of SPDX."""
    try:
        return parse_licence(row.cells["licence"].strip())
    except UsageError as error:
        raise row.error("licence", error.found, error.hint) from error


def parse_path(row: CsvRow) -> str:
    """Return a row's path, relative and POSIX. Raises ManifestError if it is absolute, empty or contains ``..``."""
    text = row.cells["path"]
    problem = find_path_problem(text)
    if problem:
        raise row.error("path", f"{text!r} {problem}", "paths are relative to this CSV file and never leave its folder")
    return text


def _propose_kind(text: str) -> str:
    """Return the kind that recipes use for a text such as Hi-Hat, and a valid name for one that says more than that."""
    kind, says_nothing_else = suggest_kind(text)
    name = nearest_name(text)
    if kind and (says_nothing_else or not name):
        return kind
    return " or ".join(filter(None, (kind, name))) or "a word such as kick or open_hihat"


def find_path_problem(text: str) -> str:
    """Return why a text cannot be a path in a manifest, to follow the path in a message; empty if it can."""
    if not text.strip():
        return "is empty"
    if "\0" in text:
        return "holds a NUL character"
    # Absolute Windows paths too: a manifest may be read on another system than the one that wrote it.
    if text.startswith(("/", "\\\\")) or _WINDOWS_DRIVE.match(text):
        return "is absolute"
    return _LEAVES_FOLDER if ".." in text.split("/") else ""


def check_inside(row: CsvRow, path: str, real_root: str) -> None:
    """Raise ManifestError if symbolic links lead a path out of the root folder, whose real path is given."""
    real = os.path.realpath(os.path.join(real_root, path))  # noqa: PTH118  (five times faster, for 20,000 rows)
    if os.path.commonpath([real_root, real]) != real_root:
        raise row.error("path", f"{path!r} is a link that leaves the folder", "replace the link by a copy of the file")


def read_root(path: Location) -> Location:
    """Return the folder that a manifest's paths are relative to. Raises ManifestError for an absolute one."""
    folder = path.absolute().parent
    for line in csv.reader(io.StringIO(_decode(path, _read_bytes(path)), newline="")):
        cell = line[0].strip().rstrip(";\t") if line else ""
        if cell.startswith(ROOT_PREFIX):
            root = cell.removeprefix(ROOT_PREFIX).strip()
            problem = "is absolute" if root.startswith("~") else find_path_problem(root)
            if problem not in ("", _LEAVES_FOLDER):
                hint = "write the folder of the sounds relative to this file: # root: ../sounds"
                raise ManifestError(f"{path}, line 1", f"the root {root!r} {problem}", hint)
            return _join_root(folder, root, path)
        if not cell.startswith("sep="):
            break
    return folder


def _join_root(folder: Location, root: str, manifest: Location) -> Location:
    if isinstance(folder, Path):
        return Path(os.path.normpath(folder / root))
    try:
        return folder.join_relative(root)
    except ValueError as error:
        raise ManifestError(
            f"{manifest}, line 1", f"the root {error}", "put the sounds into the manifest's bucket"
        ) from error


def _parse_asset(row: CsvRow, real_root: str | None) -> Asset:
    path = parse_path(row)
    if real_root is not None:  # object stores have no links
        check_inside(row, path, real_root)
    return Asset(
        id=parse_text_cell(row, "id"),
        path=path,
        kind=parse_kind(row),
        group=parse_text_cell(row, "group"),
        split=parse_split(row),
        sha256=parse_sha256(row),
        kit=row.cells["kit"].strip(),
        licence=parse_licence_cell(row),
        source=row.cells["source"].strip(),
        sample_rate=parse_count(row, "sample_rate"),
        channels=parse_count(row, "channels"),
        frames=parse_count(row, "frames"),
        peak_dbfs=_parse_level(row, "peak_dbfs"),
        rms_dbfs=_parse_level(row, "rms_dbfs"),
        kind_from=row.cells.get("kind_from", "").strip(),
        confidence=_parse_confidence(row),
    )


def parse_text_cell(row: CsvRow, column: str) -> str:
    """Return a cell that must not be empty. Raises ManifestError, also for control characters."""
    text = row.cells[column].strip()
    if not text:
        raise row.error(column, "empty", f"every row needs a value for {column}: scan again to generate it")
    if _CONTROL.search(text):
        raise row.error(column, f"{text!r} holds a control character", "write it in one line of plain text")
    return text


def parse_split(row: CsvRow) -> str:
    """Return a row's split. Raises ManifestError."""
    split = row.cells["split"].strip()
    if split not in SPLITS:
        found = f"{split!r} is none of {', '.join(SPLITS)}{nearest(split, SPLITS)}"
        raise row.error("split", found, "correct the cell")
    return split


def parse_sha256(row: CsvRow) -> str:
    """Return a row's checksum in small letters. Raises ManifestError."""
    text = row.cells["sha256"].strip().lower()
    if not _SHA256.fullmatch(text):
        raise row.error("sha256", f"{text!r} is not 64 hexadecimal digits", "scan again to have it measured")
    return text


def parse_count(row: CsvRow, column: str) -> int:
    """Return a cell that holds a whole number above 0. Raises ManifestError."""
    text = row.cells[column].strip()
    # isdecimal() and a length limit: int() accepts underscores, and takes seconds for a million digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text) > 0):
        raise row.error(column, f"{text!r} is not a whole number above 0", "scan again to have it measured")
    return int(text)


def _parse_level(row: CsvRow, column: str) -> float:
    text = row.cells[column].strip()
    try:
        # A spreadsheet with decimal commas writes -3,5.
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise row.error(column, f"{text!r} is not a level in dB", "scan again to have it measured")
    return value


def _parse_confidence(row: CsvRow) -> float | None:
    """Return the probability in a row, None if it has none. Raises ManifestError for a cell that is none."""
    text = row.cells.get("confidence", "").strip()
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise row.error("confidence", f"{text!r} is not a probability, 0 to 1", "correct the cell, or leave it empty")
    return value


def check_unique(rows: Iterable[CsvRow], id_column: str = "id") -> None:
    """Raise ManifestError if two rows have the same id or the same path."""
    for column, hint in (
        (id_column, "ids are unique: give one of the two rows another id"),
        ("path", "delete one of the two rows"),
    ):
        first_line: dict[str, int] = {}
        for row in rows:
            text = row.cells[column].strip()
            line = first_line.setdefault(text, row.line)
            if line != row.line:
                raise row.error(column, f"{text!r} is in line {line} already", hint)


def _read_header(path: Location, reader: Iterator[list[str]], columns: Sequence[str]) -> list[str]:
    """Return the column names. Raises MissingColumnError, and ManifestError for a duplicate column."""
    header = [cell.strip() for cell in next(reader, [])]
    while header and header[0].startswith(_DIRECTIVES):
        header = [cell.strip() for cell in next(reader, [])]
    for column in columns:
        if column not in header:
            shown = ", ".join(header[:20]) or "nothing"
            hint = f"this file needs the columns {','.join(columns)}{nearest(column, header)}"
            raise MissingColumnError(path, f"no column {column!r}; the header is {shown[:200]}", hint)
        if header.count(column) > 1:
            raise ManifestError(path, f"the column {column!r} is in the header twice", "remove one of them")
    return header


def _read_bytes(path: Location) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ManifestError(path, f"cannot be read: {error.strerror}", "check the file's permissions") from error


def _decode(path: Location, data: bytes) -> str:
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path}, line {line}", "not UTF-8", "save it as CSV, UTF-8") from error


def _detect_delimiter(text: str) -> str:
    """Return the separator of cells: the most frequent one of comma, semicolon and tab in the header line."""
    lines = text[:10_000].splitlines()
    header = next((line for line in lines if line.strip() and not line.lstrip('"').startswith(_DIRECTIVES)), "")
    return max(",;\t", key=header.count)


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)
