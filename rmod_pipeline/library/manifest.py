"""The manifest: one CSV a library, one row a sound, edited by hand if need be.

A manifest is written in one dialect (UTF-8, commas, newlines) and read in the dialects that spreadsheets leave behind:
a byte-order mark, UTF-16, CRLF, semicolons or tabs, decimal commas, blank rows, extra columns. What cannot be read is
named by line and column.
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
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

from rmod_pipeline.errors import ManifestError, UsageError, nearest
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.storage import Location, StorePath, parse_location
from rmod_pipeline.storage.folders import require_file
from rmod_pipeline.storage.naming import NAME_IN_WORDS, is_name, nearest_name

BUILTIN = "builtin"
"""What stands for the manifest of the kit that ships."""

SPLITS = ("train", "valid", "test")

ROOT = "# root:"
"""How the first line begins of a manifest whose sounds do not lie beside it or below. What follows is their folder,
relative to the manifest: the one place where a manifest may say `..`, to be seen at a glance."""

COLUMNS = tuple(field.name for field in fields(Asset))

_DIGESTED = ("id", "kind", "group", "split", "licence", "source", "sha256")

_DIRECTIVES = ("sep=", ROOT)
_UPWARDS = "leaves the folder by .."
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# Nothing that ends a line or a terminal's patience may stand in a name that is printed, logged and indexed.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a CSV file: where it stands, and its cells by column."""

    file: Location
    line: int
    cells: dict[str, str]

    def error(self, column: str, found: str, hint: str = "") -> ManifestError:
        """Return the error that names this row's cell."""
        return ManifestError(f"{self.file}, line {self.line}, column {column}", found, hint)


def load_library(manifest: Location | str) -> Library:
    """Read a manifest; the name ``builtin`` stands for the kit that ships.

    Looks at no audio. Raises UsageError if there is no such file and ManifestError, with line and column, for a row
    that is not what it should be.
    """
    if str(manifest) == BUILTIN:
        from rmod_pipeline.library.builtin_kit import ensure_builtin

        manifest = ensure_builtin()
    meant = nearest(str(manifest), (BUILTIN,)) if str(manifest).isalpha() else ""
    path = require_file(parse_location(manifest), f"make one with `rmod library scan DIR --out NAME.csv`{meant}")
    rows = list(read_rows(path, COLUMNS))
    if not rows:
        raise ManifestError(path, "a header but no rows", "scan a folder that holds audio: `rmod library scan DIR`")
    root = _root(path)
    real = None if isinstance(root, StorePath) else os.path.realpath(root)
    assets = tuple(sorted((_asset(row, real) for row in rows), key=lambda asset: asset.id))
    _refuse_twice(rows)
    return Library(assets=assets, root=root, manifest=path, digest=digest_of(assets))


def write_manifest(path: Path, assets: Iterable[Asset], root: str = ".") -> None:
    """Write a manifest, sorted by id; a reader sees the old file or the whole new one, never a part.

    ``root`` is the folder that paths are relative to, itself relative to the manifest's folder.
    """
    ordered = sorted(assets, key=lambda asset: asset.id)
    first = [] if root == "." else [f"{ROOT} {root}"]
    write_rows(path, COLUMNS, ([_cell(getattr(asset, column)) for column in COLUMNS] for asset in ordered), first)


def digest_of(assets: Iterable[Asset]) -> str:
    """Return the SHA-256 over what decides the bytes of a build, in the order of ids."""
    digest = sha256()
    for asset in sorted(assets, key=lambda asset: asset.id):
        digest.update(json.dumps([getattr(asset, name) for name in _DIGESTED]).encode() + b"\n")
    return digest.hexdigest()


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], before: Sequence[str] = ()) -> None:
    """Write a CSV file atomically: UTF-8, commas, newlines; ``before`` is a row above the header.

    Raises UsageError if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            careful = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
            for row in (*((before,) if before else ()), columns, *rows):
                # Python does not quote a lone carriage return, but takes it for the end of a row.
                (careful if any("\r" in cell for cell in row) else writer).writerow(row)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise UsageError(
            path, f"cannot be written: {error.strerror}", "choose a folder that you can write to"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_rows(path: Location, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a CSV file that has the given columns, in any order and perhaps among others.

    Raises ManifestError for text that is no CSV, for a missing column and for a row with too few or too many cells.
    """
    text = _decoded(path)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        header = _header(path, lines, columns)
        while True:
            start = lines.line_num + 1
            try:
                cells = next(lines)
            except StopIteration:
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) < len(header) or any(cell.strip() for cell in cells[len(header) :]):
                found = f"{len(cells)} cells where the header has {len(header)}"
                raise ManifestError(f"{path}, line {start}", found, "quote a cell that holds the separator")
            yield Row(path, start, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise ManifestError(f"{path}, line {lines.line_num}", f"not CSV: {error}", "save it as CSV, UTF-8") from error


def checked_kind(row: Row) -> str:
    """Return a row's kind. Raises ManifestError, with a name that would do, for what no recipe could ask for."""
    kind = row.cells["kind"].strip()
    if not is_name(kind):
        example = nearest_name(kind) or "a word such as kick or open_hihat"
        raise row.error("kind", f"{kind!r} is no kind", f"write {example}: a kind has {NAME_IN_WORDS}")
    return kind


def checked_path(row: Row) -> str:
    """Return a row's path, relative and POSIX. Raises ManifestError for one that leaves its folder by its words."""
    text = row.cells["path"]
    problem = path_problem(text)
    if problem:
        raise row.error("path", f"{text!r} {problem}", "paths are relative to this CSV file and never leave its folder")
    return text


def path_problem(text: str) -> str:
    """Return what keeps a text from being a path in a manifest, or nothing."""
    if not text.strip():
        return "is empty"
    if "\0" in text:
        return "holds a NUL character"
    # Windows' absolute paths too: a manifest is read on other machines than the one that wrote it.
    if text.startswith(("/", "\\\\")) or _DRIVE.match(text):
        return "is absolute"
    return _UPWARDS if ".." in text.split("/") else ""


def checked_inside(row: Row, path: str, root: str) -> None:
    """Raise ManifestError for a path that leaves its folder through a link; ``root`` is the folder's real path."""
    real = os.path.realpath(os.path.join(root, path))  # noqa: PTH118  (five times the speed, for 20,000 rows)
    if os.path.commonpath([root, real]) != root:
        raise row.error("path", f"{path!r} is a link that leaves the folder", "copy the file to where the link is")


def _root(path: Location) -> Location:
    """Return the folder that a manifest's paths are relative to. Raises ManifestError for one that is absolute."""
    folder = path.absolute().parent
    for line in csv.reader(io.StringIO(_decoded(path), newline="")):
        cell = line[0].strip().rstrip(";\t") if line else ""
        if cell.startswith(ROOT):
            root = cell.removeprefix(ROOT).strip()
            if path_problem(root) not in ("", _UPWARDS):
                hint = "write the folder of the sounds relative to this file: # root: ../sounds"
                raise ManifestError(f"{path}, line 1", f"the root {root!r} {path_problem(root)}", hint)
            return _joined(folder, root, path)
        if not cell.startswith("sep="):
            break
    return folder


def _joined(folder: Location, root: str, path: Location) -> Location:
    if isinstance(folder, Path):
        return Path(os.path.normpath(folder / root))
    try:
        return folder.join_relative(root)
    except ValueError as error:
        raise ManifestError(
            f"{path}, line 1", f"the root {error}", "put the sounds into the manifest's bucket"
        ) from error


def _asset(row: Row, root: str | None) -> Asset:
    path = checked_path(row)
    if root is not None:  # on an object store there are no links
        checked_inside(row, path, root)
    return Asset(
        id=_word(row, "id"),
        path=path,
        kind=checked_kind(row),
        group=_word(row, "group"),
        split=_split(row),
        sha256=_sha256(row),
        kit=row.cells["kit"].strip(),
        licence=row.cells["licence"].strip(),
        source=row.cells["source"].strip(),
        sample_rate=_whole(row, "sample_rate"),
        channels=_whole(row, "channels"),
        frames=_whole(row, "frames"),
        peak_dbfs=_level(row, "peak_dbfs"),
        rms_dbfs=_level(row, "rms_dbfs"),
    )


def _word(row: Row, column: str) -> str:
    text = row.cells[column].strip()
    if not text:
        raise row.error(column, "empty", "each sound needs one; scan again to have it made")
    if _CONTROL.search(text):
        raise row.error(column, f"{text!r} holds a control character", "write it in one line of plain text")
    return text


def _split(row: Row) -> str:
    split = row.cells["split"].strip()
    if split not in SPLITS:
        raise row.error(
            "split", f"{split!r} is none of {', '.join(SPLITS)}{nearest(split, SPLITS)}", "correct the cell"
        )
    return split


def _sha256(row: Row) -> str:
    text = row.cells["sha256"].strip().lower()
    if not _SHA256.fullmatch(text):
        raise row.error("sha256", f"{text!r} is not 64 hexadecimal digits", "scan again to have it measured")
    return text


def _whole(row: Row, column: str) -> int:
    text = row.cells[column].strip()
    # isdecimal() and a length, because int() takes underscores, and seconds for a million digits.
    if not (text.isascii() and text.isdecimal() and len(text) < 16 and int(text) > 0):
        raise row.error(column, f"{text!r} is not a whole number above 0", "scan again to have it measured")
    return int(text)


def _level(row: Row, column: str) -> float:
    text = row.cells[column].strip()
    try:
        # A spreadsheet with decimal commas writes -3,5.
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise row.error(column, f"{text!r} is not a level in dB", "scan again to have it measured")
    return value


def _refuse_twice(rows: Iterable[Row]) -> None:
    for column, hint in (
        ("id", "ids are unique: give one of them another name"),
        ("path", "delete one of the two rows"),
    ):
        first: dict[str, int] = {}
        for row in rows:
            text = row.cells[column].strip()
            line = first.setdefault(text, row.line)
            if line != row.line:
                raise row.error(column, f"{text!r} stands in line {line} already", hint)


def _header(path: Location, lines: Iterator[list[str]], columns: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in next(lines, [])]
    while header and header[0].startswith(_DIRECTIVES):
        header = [cell.strip() for cell in next(lines, [])]
    for column in columns:
        if column not in header:
            shown = ", ".join(header[:20]) or "nothing"
            hint = f"this file needs the columns {','.join(columns)}{nearest(column, header)}"
            raise ManifestError(path, f"no column {column!r}; the first line has {shown[:200]}", hint)
        if header.count(column) > 1:
            raise ManifestError(path, f"the column {column!r} stands twice in the first line", "remove one of them")
    return header


def _decoded(path: Location) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(path, f"cannot be read: {error.strerror}", "check the file's permissions") from error
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ManifestError(f"{path}, line {line}", "not UTF-8", "save it as CSV, UTF-8") from error


def _delimiter(text: str) -> str:
    """Return what separates cells: whichever of , ; and tab the first line holds most of."""
    lines = text[:10_000].splitlines()
    first = next((line for line in lines if line.strip() and not line.lstrip('"').startswith(_DIRECTIVES)), "")
    return max(",;\t", key=first.count)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
