"""Write the nearest sounds as a table to read, as CSV, or as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence

from rmod_pipeline.curation.neighbours.search import SearchResult
from rmod_pipeline.library.asset import Library

COLUMNS = ("sound", "rank", "similarity", "kind", "seconds", "path", "licence")


def format_neighbours(results: Sequence[SearchResult], library: Library, form: str) -> str:
    """Return the nearest sounds to each question as text; ``form`` is table, csv or json.

    CSV and JSON have whole paths, the table has those of the manifest.
    """
    if form == "csv":
        return _format_csv(results, library)
    if form == "json":
        return _format_json(results, library)
    return "\n".join(_format_table(result) for result in results)


def _format_csv(results: Sequence[SearchResult], library: Library) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for result in results:
        for row in _rows(result, library):
            writer.writerow([str(result.question.path), *row])
    return stream.getvalue()


def _format_json(results: Sequence[SearchResult], library: Library) -> str:
    content = [
        {
            "sound": str(result.question.path),
            "kind": result.question.kind,
            "seconds": round(result.question.seconds, 4),
            "neighbours": [dict(zip(COLUMNS[1:], row, strict=True)) for row in _rows(result, library)],
        }
        for result in results
    ]
    return json.dumps({"library": str(library.manifest), "sounds": content}, indent=1, ensure_ascii=False) + "\n"


def _rows(result: SearchResult, library: Library) -> Iterator[tuple[int, float, str, float, str, str]]:
    for each in result.neighbours:
        asset, path = each.asset, str(library.path_of(each.asset))
        yield each.rank, each.similarity, asset.kind, round(asset.seconds, 4), path, asset.licence


def _format_table(result: SearchResult) -> str:
    head = f"{result.question.path}: {result.question.kind or '?'}, {result.question.seconds:.2f} s\n"
    rows = [
        (str(each.rank), f"{each.similarity:.3f}", each.asset.kind, f"{each.asset.seconds:.2f}", each.asset.path)
        for each in result.neighbours
    ]
    names = ("rank", "similar", "kind", "seconds", "path")
    widths = [max(len(row[column]) for row in (names, *rows)) for column in range(len(names))]
    licences = ("licence", *(each.asset.licence or "unknown" for each in result.neighbours))
    lines = [
        f"{row[0]:>{widths[0]}}  {row[1]:>{widths[1]}}  {row[2]:{widths[2]}}  {row[3]:>{widths[3]}}  "
        f"{row[4]:{widths[4]}}  {licence}\n"
        for row, licence in zip((names, *rows), licences, strict=True)
    ]
    return head + ("".join(lines) if rows else "  no other sound\n")
