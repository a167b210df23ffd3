"""Lay out the figures of a comparison as tables, once for Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Sequence

from rmod_pipeline.evaluation.classifiers.folds import count_families
from rmod_pipeline.evaluation.classifiers.results import ComparisonResults, LabelSetResults, SystemScores
from rmod_pipeline.evaluation.classifiers.scores import METRICS
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.evaluation.classifiers.systems import NETWORK
from rmod_pipeline.evaluation.figures.statistics import Interval
from rmod_pipeline.pages.evaluation.tables import NO_FIGURE, ResultTable, table_markdown

HEADINGS = {
    "accuracy": "accuracy, %",
    "balanced_accuracy": "balanced accuracy, %",
    "macro_f1": "macro-F1, %",
    "calibration_error": "calibration error, %",
}


def comparison_tables(results: ComparisonResults, compared: ComparedSounds) -> list[ResultTable]:
    """Return a table per set of labels, one of the recalls of all classes, and one of the systems."""
    tables = [make_main_table(table) for table in results.tables]
    return [
        *tables,
        *(_make_recall_table(table, compared) for table in results.tables[:1]),
        _make_system_table(results),
    ]


def shown_system(results: ComparisonResults) -> str:
    """Return the system whose confusions and errors are shown first: the network, or the most accurate one."""
    rows = results.tables[0].rows if results.tables else ()
    names = [row.system for row in rows]
    if NETWORK in names or not names:
        return NETWORK
    return max(rows, key=lambda row: row.scores.accuracy.mean).system


def format_share(interval: Interval) -> str:
    """Return ``81.2 (78.9 to 83.4)``: per cent with the interval."""
    if interval.low is None or interval.high is None:
        return f"{100 * interval.mean:.1f}"
    return f"{100 * interval.mean:.1f} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def make_main_table(table: LabelSetResults) -> ResultTable:
    """Return the table of a set of labels: a row per system, with intervals."""
    first = table.rows[0].scores
    scored = len(table.labels.labels) - len(table.left_out)
    note = (
        f"{first.sounds:,} sounds of {first.families} kits; 95 % intervals over kits. One answer to all sounds has a"
        f" balanced accuracy of {100 / scored:.1f} %."
    )
    if table.left_out:
        note += f" Without a score: {', '.join(table.left_out)}."
    if table.labels.note:
        note += f" {table.labels.note}"
    return ResultTable(
        title=table.labels.title,
        note=note,
        headings=("system", *(HEADINGS[name] for name in METRICS), "behind the most accurate, points"),
        rows=tuple(_make_main_row(row) for row in table.rows),
    )


def _make_main_row(row: SystemScores) -> tuple[str, ...]:
    figures = (format_share(getattr(row.scores, name)) for name in METRICS)
    behind = "best"
    if row.behind_best is not None:
        found = row.behind_best
        interval = format_share(Interval(mean=found.difference, low=found.low, high=found.high))
        behind = f"{interval}, p {'< 0.001' if found.p < 0.001 else f'= {found.p:.3f}'}"
    return (row.system, *figures, behind)


def _make_recall_table(table: LabelSetResults, compared: ComparedSounds) -> ResultTable:
    counts = count_families(compared.kinds, compared.families)
    rows = []
    for number, label in enumerate(table.labels.labels):
        recalls = [row.scores.recalls[number] for row in table.rows]
        if any(recall is not None for recall in recalls):
            sounds = str(compared.kinds.count(label))
            shares = (NO_FIGURE if recall is None else f"{100 * recall:.0f}" for recall in recalls)
            rows.append((label, str(counts.get(label, 0)), sounds, *shares))
    return ResultTable(
        title="Which classes are recognised",
        note="Share of the sounds of each class that is answered right, in per cent.",
        headings=("class", "kits", "sounds", *(row.system for row in table.rows)),
        rows=tuple(rows),
    )


def _make_system_table(results: ComparisonResults) -> ResultTable:
    rows = results.tables[0].rows if results.tables else ()
    return ResultTable(
        title="Systems",
        note=(
            "Each learns from the training kits of a fold alone. A seventh of these kits selects and calibrates what"
            " is trained by steps. The network and the heads on its embeddings learn from varied copies of the"
            " sounds too, the other systems from the sounds as they are."
        ),
        headings=("system", "what it is"),
        rows=tuple((row.system, row.title) for row in rows),
    )


def comparison_markdown(title: str, results: ComparisonResults, tables: Sequence[ResultTable]) -> str:
    """Return all tables as Markdown."""
    about = results.about
    facts = f"{about['sounds']:,} sounds of {about['kits']} kits, {len(about['folds'])} folds, grouped by kit."
    notes = (f"\n{note}\n" for note in results.notes)
    return "".join([f"# {title}\n\n{facts}\n", *notes, *map(table_markdown, tables)])
