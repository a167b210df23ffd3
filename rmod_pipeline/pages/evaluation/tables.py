"""Lay out the results of an evaluation as tables, once for Markdown and HTML alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rmod_pipeline.evaluation.chunk import EXPLAINED, SHUFFLED
from rmod_pipeline.evaluation.figures import paper
from rmod_pipeline.evaluation.figures.results import (
    DISTANCE,
    MSS,
    Cell,
    DistributionFigure,
    EvaluationResults,
    choose_baseline,
)
from rmod_pipeline.evaluation.figures.statistics import Interval
from rmod_pipeline.evaluation.metrics import METRICS
from rmod_pipeline.evaluation.recipe import ALL_KINDS, PairsChoice
from rmod_pipeline.pages.preview.formatting import format_kind

NO_FIGURE = "–"
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultTable:
    """A table with what a reader must know of it."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_open: bool = True


def make_result_tables(results: EvaluationResults) -> list[ResultTable]:
    """Return all tables that have rows, the most important first."""
    tables = [
        *(_make_main_table(results, name) for name in results.sets),
        *(_make_distance_table(results, name) for name in results.sets),
        *(_make_song_table(results, name) for name in results.sets),
        _make_comparison_table(results),
        _make_loss_table(results),
        _make_distribution_table(results),
        _make_copies_table(results),
        *(_make_metric_table(results, name) for name in results.sets),
        _make_missing_table(results),
        _make_set_table(results),
    ]
    return [table for table in tables if table.rows]


def format_figure(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of digits; a dash for none."""
    return NO_FIGURE if value is None else f"{value:.{digits}f}"


def format_interval(interval: Interval | None, digits: int = 3) -> str:
    """Return ``0.093 (0.066 to 0.129)``; the number alone where there is no interval."""
    if interval is None:
        return NO_FIGURE
    if interval.low is None or interval.high is None:
        return format_figure(interval.mean, digits)
    return f"{interval.mean:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _make_main_table(results: EvaluationResults, test_set: str) -> ResultTable:
    """Return the table in the shape of Table 1 of the paper: kinds with slashes between, a row per system."""
    kinds = results.recipe.kinds
    distributions = _list_distributions(results, test_set)
    rows = []
    for system in results.systems(test_set):
        cells = [_find_cell(results, test_set, system, kind) for kind in kinds]
        if not any(cell is not None and DISTANCE in cell.figures for cell in cells):
            continue
        metrics = (_join(cells, metric) for metric in (DISTANCE, MSS))
        rows.append((system, *metrics, *(_join_distributions(cells, name) for name in distributions)))
    choice = next(each for each in results.recipe.sets if each.name == test_set)
    papers = list(_list_paper_rows(choice, kinds, distributions)) if rows and isinstance(choice, PairsChoice) else []
    note = f"{' / '.join(format_kind(kind) for kind in kinds)}; lower is better."
    missing = list(_list_missing(results, test_set))
    if missing:
        note += f" {NO_FIGURE} stands for too few pairs: {'; '.join(missing)}."
    if papers:
        note += (
            " Rows of the paper are its Table 1, from other kits and with an MSS whose scale it does not state: compare"
            " the order of systems, not the numbers."
        )
    return ResultTable(
        title=test_set,
        note=note,
        headings=("system", "spectral distance", "MSS", *distributions),
        rows=(*rows, *papers),
    )


def _list_paper_rows(
    choice: PairsChoice, kinds: Sequence[str], distributions: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    if choice.paper is None or tuple(kinds) != paper.KINDS:
        return
    figures = {"FAD-VGGish": paper.FAD_VGGISH, "FAD-CLAP": paper.FAD_CLAP}
    for system, mss in paper.MSS[choice.paper].items():
        fads = (figures[name][choice.paper][system] if name in figures else None for name in distributions)
        yield (f"paper: {system}", NO_FIGURE, _join_numbers(mss), *(_join_numbers(each) for each in fads))


def _join_numbers(row: paper.Row | None) -> str:
    return NO_FIGURE if row is None else " / ".join(f"{value:.3f}" for value in row)


def _find_cell(results: EvaluationResults, test_set: str, system: str, kind: str) -> Cell | None:
    return results.cell(test_set, system, kind) if results.has(test_set, system, kind) else None


def _join(cells: Sequence[Cell | None], metric: str) -> str:
    figures = (cell.figures.get(metric) if cell is not None else None for cell in cells)
    return " / ".join(format_figure(None if figure is None else figure.mean) for figure in figures)


def _join_distributions(cells: Sequence[Cell | None], name: str) -> str:
    figures = (cell.distributions.get(name) if cell is not None else None for cell in cells)
    return " / ".join(
        format_figure(None if figure is None or figure.interval is None else figure.interval.mean) for figure in figures
    )


def _list_distributions(results: EvaluationResults, test_set: str) -> list[str]:
    cells = (cell for cell in results.cells if cell.test_set == test_set)
    return list(dict.fromkeys(name for cell in cells for name in cell.distributions))


def _list_missing(results: EvaluationResults, test_set: str) -> Iterator[str]:
    """Yield, once per distance, why a system has no figure."""
    for name in _list_distributions(results, test_set):
        cells = (cell.distributions.get(name) for cell in results.cells if cell.test_set == test_set)
        why = next((figure.why for figure in cells if figure is not None and figure.interval is None), None)
        if why is not None:
            yield f"{name}: {why}"


def _make_distance_table(results: EvaluationResults, test_set: str) -> ResultTable:
    rows = []
    for system in results.systems(test_set):
        cells = [_find_cell(results, test_set, system, kind) for kind in results.recipe.kinds]
        figures = [cell.figures.get(DISTANCE) if cell is not None else None for cell in cells]
        if any(figures):
            texts = (format_interval(figure.interval if figure else None) for figure in figures)
            rows.append((system, *texts))
    return ResultTable(
        title=f"{test_set}: spectral distance with intervals",
        note="Mean with its 95 % interval, over kits where they are known, else over pairs.",
        headings=("system", *(_count_heading(results, test_set, kind) for kind in results.recipe.kinds)),
        rows=tuple(rows),
    )


def _count_heading(results: EvaluationResults, test_set: str, kind: str) -> str:
    known = results.truths[test_set, kind]
    kits = {row["kit"] for row in known if row["kit"]}
    return f"{format_kind(kind)} ({len(known)} pairs{f', {len(kits)} kits' if kits else ''})"


def _make_song_table(results: EvaluationResults, test_set: str) -> ResultTable:
    columns = (EXPLAINED, f"{EXPLAINED} {SHUFFLED}", *(f"{EXPLAINED} {kind}" for kind in results.recipe.kinds))
    rows = []
    for system in results.systems(test_set):
        cell = _find_cell(results, test_set, system, ALL_KINDS)
        if cell is not None:
            figures = (cell.figures.get(column) for column in columns)
            rows.append((system, *(format_interval(figure.interval if figure else None, 2) for figure in figures)))
    return ResultTable(
        title=f"{test_set}: what the answers explain",
        note="Share of the drums' energy that the answers explain, placed at the hits that the ear hears; what they"
        " explain at the hits of another drum; and what is lost without each drum. Higher is better.",
        headings=("system", "all drums", "exchanged", *(format_kind(kind) for kind in results.recipe.kinds)),
        rows=tuple(rows),
    )


def _make_comparison_table(results: EvaluationResults) -> ResultTable:
    baseline, rows = choose_baseline(results.recipe), []
    for each in results.comparisons:
        if each.other == baseline and each.metric == DISTANCE:
            found = each.comparison
            interval = format_interval(Interval(mean=found.difference, low=found.low, high=found.high))
            share = f"{found.share_a_lower:.0%}"
            rows.append((each.test_set, format_kind(each.kind), each.system, interval, share, _p(found.p)))
    return ResultTable(
        title=f"Compared with {baseline}",
        note="Difference of the distances on the same pairs; below 0 the system is nearer. Sign-flip test, not"
        " corrected for the number of comparisons.",
        headings=("set", "kind", "system", "difference", "nearer in", "p"),
        rows=tuple(rows),
        is_open=False,
    )


def _p(value: float) -> str:
    return f"{value:.3f}{'*' if value < SIGNIFICANT else ''}"


def _make_loss_table(results: EvaluationResults) -> ResultTable:
    rows = []
    for (test_set, system), several in results.condition_use.items():
        for each in several:
            losses = (each.full, each.full_with_other_mixture, each.onset, each.onset_with_other_mixture)
            rows.append((test_set, system, format_kind(each.instrument), *(format_figure(loss) for loss in losses)))
    return ResultTable(
        title="What models take from the mixture",
        note="Loss in nats per code, with the pair's own mixture and with another pair's. If both are equal, the model"
        " continues its own codes well and does not listen.",
        headings=("set", "model", "kind", "loss", "with another's mixture", "onset", "onset with another's"),
        rows=tuple(rows),
    )


def _make_distribution_table(results: EvaluationResults) -> ResultTable:
    rows = [
        (cell.test_set, format_kind(cell.kind), cell.system, name, *_describe_distribution(figure))
        for cell in results.cells
        for name, figure in cell.distributions.items()
    ]
    return ResultTable(
        title="Distances of distributions",
        note="All answers against all truths. Beside it one half of the truths against the other: a perfect system"
        " would get about half of that, because FAD grows as samples shrink.",
        headings=("set", "kind", "system", "distance", "value", "half against half"),
        rows=tuple(rows),
        is_open=False,
    )


def _describe_distribution(figure: DistributionFigure) -> tuple[str, str]:
    return (format_interval(figure.interval) if figure.interval else figure.why), format_figure(figure.half)


def _make_copies_table(results: EvaluationResults) -> ResultTable:
    rows = [
        (
            each.test_set,
            format_kind(each.kind),
            each.system,
            format_figure(each.training),
            format_figure(each.truth_training),
            format_figure(each.own_truth),
            NO_FIGURE if each.copies is None else f"{each.copies:.0%}",
        )
        for each in results.audits
    ]
    return ResultTable(
        title="Nearest training sounds",
        note="Medians. An answer counts as a copy of a true one-shot if it is ten times nearer to it than any training"
        " sound is. Ceilings are copies by design; a system with copies has heard the answers.",
        headings=("set", "kind", "system", "answer to training", "truth to training", "answer to truth", "copies"),
        rows=tuple(rows),
        is_open=False,
    )


def _make_metric_table(results: EvaluationResults, test_set: str) -> ResultTable:
    rows = []
    for cell in results.cells:
        if cell.test_set == test_set and DISTANCE in cell.figures:
            values = (format_figure(cell.figures[name].mean if name in cell.figures else None) for name in METRICS)
            rows.append((cell.system, format_kind(cell.kind), *values))
    units = {name: f", {metric.unit}" if metric.unit else "" for name, metric in METRICS.items()}
    headings = (f"{name.replace('_', ' ')}{unit}" for name, unit in units.items())
    return ResultTable(
        title=f"{test_set}: all metrics",
        note="Means over pairs; 0 means equal in what the metric sees.",
        headings=("system", "kind", *headings),
        rows=tuple(rows),
        is_open=False,
    )


def _make_missing_table(results: EvaluationResults) -> ResultTable:
    rows = [
        (cell.test_set, cell.system, format_kind(cell.kind), reason, str(count), str(len(cell.keys)))
        for cell in results.cells
        for reason, count in cell.missing.items()
    ]
    return ResultTable(
        title="Without an answer",
        note="These pairs are left out of the figures of the system.",
        headings=("set", "system", "kind", "reason", "pairs", "answered"),
        rows=tuple(rows),
    )


def _make_set_table(results: EvaluationResults) -> ResultTable:
    rows = []
    for name, content in results.sets.items():
        size = f"{content['pairs']} pairs" if "pairs" in content else f"{content['windows']} windows"
        excluded = [f"{each['file']}: {each['reason']}" for each in content.get("excluded", ())]
        digest = str(content.get("fingerprint") or content["sha256"])[:12]
        rows.append((name, str(content.get("data") or content["songs"]), size, digest, "; ".join(excluded) or "none"))
    return ResultTable(
        title="Test sets",
        note="Keys, checksums of answers, and seeds are in items.parquet and evaluation.json, which --out writes.",
        headings=("set", "from", "size", "sha256", "excluded files"),
        rows=tuple(rows),
    )


def render_markdown(results: EvaluationResults, tables: Sequence[ResultTable]) -> str:
    """Return all tables as Markdown."""
    return "".join([f"# {results.recipe.name}\n", *map(table_markdown, tables)])


def table_markdown(table: ResultTable) -> str:
    """Return a table as Markdown, with its title and its note."""
    lines = ["| " + " | ".join(map(_escape_cell, row)) + " |" for row in (table.headings, *table.rows)]
    lines.insert(1, "|" + "---|" * len(table.headings))
    return f"\n## {table.title}\n\n{table.note}\n\n" + "\n".join(lines) + "\n"


def _escape_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
