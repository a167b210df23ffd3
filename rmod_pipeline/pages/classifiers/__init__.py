"""The files of a comparison of classifiers: tables as Markdown and JSON, and a page with plots and errors to listen to.

OUT/table.md        the tables
OUT/table.json      every figure, with what it comes from
OUT/report.html     tables, confusions, and the most confident errors as sounds
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.evaluation.classifiers.results import ComparisonResults, LabelSetResults, SystemScores
from rmod_pipeline.evaluation.classifiers.scores import METRICS
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.pages.classifiers.confusion import make_confusions
from rmod_pipeline.pages.classifiers.listening import list_error_groups
from rmod_pipeline.pages.classifiers.tables import comparison_markdown, comparison_tables, shown_system
from rmod_pipeline.pages.preview import NO_COLOUR, page_template
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

PACKAGE = "rmod_pipeline.pages.classifiers"
PAGE, MARKDOWN, JSON = "report.html", "table.md", "table.json"
TITLE = "Classifiers of one-shots compared"

__all__ = ["JSON", "MARKDOWN", "PAGE", "comparison_html", "to_dict", "write_comparison"]


def write_comparison(results: ComparisonResults, compared: ComparedSounds, out: Path) -> list[Path]:
    """Write all files of a comparison and return their paths. Raises UsageError for a folder that is not writable."""
    contents = {
        MARKDOWN: comparison_markdown(TITLE, results, comparison_tables(results, compared)),
        JSON: json.dumps(to_dict(results), indent=1, ensure_ascii=False) + "\n",
        PAGE: comparison_html(results, compared),
    }
    with report_unwritable(out):
        for name, text in contents.items():
            publish_bytes(text.encode(), out / name, out)
    return [out / name for name in contents]


def comparison_html(results: ComparisonResults, compared: ComparedSounds) -> str:
    """Return the HTML of the page; the same results give the same bytes."""
    return page_template(PACKAGE, "report.html.j2").render(
        title=TITLE,
        facts=_list_facts(results),
        notes=results.notes,
        tables=comparison_tables(results, compared),
        confusions=[(table, tuple(make_confusions(table))) for table in results.tables],
        shown=shown_system(results),
        errors=list_error_groups(results, compared),
        no_colour=NO_COLOUR,
        version=__version__,
    )


def to_dict(results: ComparisonResults) -> dict[str, Any]:
    """Return all figures as plain values."""
    return {
        "rmod": __version__,
        "about": dict(results.about),
        "notes": list(results.notes),
        "tables": [_table_to_dict(table) for table in results.tables],
    }


def _table_to_dict(table: LabelSetResults) -> dict[str, Any]:
    return {
        "name": table.labels.name,
        "title": table.labels.title,
        "note": table.labels.note,
        "labels": list(table.labels.labels),
        "not_scored": list(table.left_out),
        "systems": {row.system: _row_to_dict(row, table.labels.labels) for row in table.rows},
    }


def _row_to_dict(row: SystemScores, labels: Sequence[str]) -> Mapping[str, Any]:
    scores = row.scores
    return {
        "title": row.title,
        "sounds": scores.sounds,
        "kits": scores.families,
        **{name: asdict(getattr(scores, name)) for name in METRICS},
        "recalls": dict(zip(labels, scores.recalls, strict=True)),
        "confusion": scores.confusion.tolist(),
        "behind_best": asdict(row.behind_best) if row.behind_best else None,
    }


def _list_facts(results: ComparisonResults) -> list[tuple[str, str]]:
    about = results.about
    return [
        ("sounds", f"{about['sounds']:,}"),
        ("kits", str(about["kits"])),
        ("folds", str(len(about["folds"]))),
        ("recipe", f"{about['recipe']['name']}, {about['recipe']['schedule']['steps']:,} steps"),
        ("digest of the sounds", str(about["digest"])[:12]),
    ]
