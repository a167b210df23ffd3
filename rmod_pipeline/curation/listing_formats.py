"""Write a list of classified sounds row by row: as a table to read, as CSV, or as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, get_args

from rmod_pipeline.curation.listing import UNCERTAIN, UNUSABLE, ListedSound
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.writing import check_writable_file, report_unwritable, write_texts

ListingFormat = Literal["table", "csv", "json"]

COLUMNS = tuple(field.name for field in fields(ListedSound))
_JSON_START = '{"rmod_listing": 1, "classifier": '
_TABLE_START = f"{'kind':20} {'sure':>5}  {'second guess':16} {'sure':>5}  {'seconds':>7}  path\n"
_HINT = "choose another --out"


def choose_format(name: str | None, out: Path | None) -> ListingFormat:
    """Return the format by its name, or by the suffix of the file to write; a table if neither says it.

    Raises UsageError for an unknown name.
    """
    known = get_args(ListingFormat)
    if name is None:
        suffix = out.suffix.lower().removeprefix(".") if out else ""
        name = suffix if suffix in known else "table"
    if name not in known:
        raise UsageError("the format", f"{name!r} is none of {', '.join(known)}", "choose one of them")
    chosen: ListingFormat = name  # type: ignore[assignment]
    return chosen


def format_listing(sounds: Iterable[ListedSound], form: ListingFormat, source: Mapping[str, Any]) -> Iterator[str]:
    """Yield the text of a list piece by piece, a row each; ``source`` is the origin of the classifier."""
    if form == "csv":
        yield _start(form)
        yield from (_format_csv([getattr(sound, column) for column in COLUMNS]) for sound in sounds)
    elif form == "json":
        yield f'{_JSON_START}{json.dumps(dict(source), ensure_ascii=False)}, "sounds": ['
        separator = "\n"
        for sound in sounds:
            yield separator + json.dumps(asdict(sound), ensure_ascii=False)
            separator = ",\n"
        yield "\n]}\n"
    else:
        yield _start(form)
        yield from map(_format_line, sounds)


def refuse_foreign_file(out: Path, form: ListingFormat) -> None:
    """Raise UsageError if a list cannot be written to a file, or would replace a file that is no such list."""
    if not out.absolute().parent.is_dir():
        raise UsageError(out, "its folder does not exist", f"create it, or {_HINT}")
    check_writable_file(out, _HINT)
    if not out.is_file():
        return
    start = _start(form).encode()
    with report_unwritable(out, _HINT), out.open("rb") as file:
        is_listing = file.read(len(start)) == start
    if not is_listing:
        raise UsageError(out, f"exists and is no list of classified sounds as {form}", f"{_HINT}, or remove it")


def write_listing(out: Path, texts: Iterable[str]) -> None:
    """Write the pieces of a list to a file, completely or not at all. Raises UsageError if it cannot be written."""
    with report_unwritable(out, _HINT):
        write_texts(out, texts, newline="")


def _start(form: ListingFormat) -> str:
    """Return how every list of a format begins."""
    return {"csv": _format_csv(COLUMNS), "json": _JSON_START, "table": _TABLE_START}[form]


def _format_csv(cells: Iterable[object]) -> str:
    texts = ["" if cell is None else str(cell) for cell in cells]
    # Python does not quote a lone carriage return when writing, but ends a row at it when reading.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if any("\r" in text for text in texts) else csv.QUOTE_MINIMAL
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n", quoting=quoting).writerow(texts)
    return stream.getvalue()


def _format_line(sound: ListedSound) -> str:
    """Return a row of the table: one line, whatever the name of the file is."""
    seconds = "" if sound.seconds is None else f"{sound.seconds:.2f}"
    if sound.reason:
        line = f"{UNUSABLE:20} {'':5}  {'':16} {'':5}  {seconds:>7}  {sound.path}: {sound.reason}"
    else:
        kind = sound.guess if sound.kind else f"{UNCERTAIN} ({sound.guess})"
        confidence = f"{sound.confidence:5.2f}  {sound.second:16} {sound.second_confidence:5.2f}"
        line = f"{kind:20} {confidence}  {seconds:>7}  {sound.path}"
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line) + "\n"
