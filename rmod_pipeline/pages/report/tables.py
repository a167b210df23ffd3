"""Arrange the measurements of a report in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.inspection.report.records import CodebookUse, DrawTest, DuplicateCount, KindUse, LevelSummary, Report
from rmod_pipeline.pages.preview.formatting import format_kind, format_number
from rmod_pipeline.pages.report.plots import draw_outcomes

DRAWS_SHOWN = 16
"""Draws in the table; all are in the JSON file."""

_LEAKS_SHOWN = 20

Cell = str | Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the page, folded until a reader opens it."""

    title: str
    note: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_open: bool = False


def make_tables(report: Report) -> tuple[Table, ...]:
    """Return the tables of a report that have rows."""
    tables = (
        _tabulate_draws(report.draws),
        _tabulate_levels(report.levels),
        _tabulate_leaks(report),
        _tabulate_duplicates(report.duplicates),
        _tabulate_use(report.use),
        _tabulate_tokens(report.tokens),
    )
    return tuple(table for table in tables if table.rows)


def _tabulate_draws(draws: Sequence[DrawTest]) -> Table:
    rows = tuple(
        (
            test.name,
            test.test,
            f"{test.values:,}",
            test.source,
            format_number(100 * test.deviation, 2) + " %",
            _format_p(test.p_value),
            _format_p(test.adjusted_p_value),
            draw_outcomes(test.outcomes),
        )
        for test in draws[:DRAWS_SHOWN]
    )
    shown = f"the {len(rows)} least likely of {len(draws)}; " if len(draws) > len(rows) else ""
    note = f"{shown}bars are measured shares, lines those of the recipe"
    headings = ("draw", "test", "values", "from", "off by", "p", "corrected", "shares")
    return Table(title="Draws against the recipe", note=note, headings=headings, rows=rows, is_open=True)


def _format_p(value: float) -> str:
    return f"{value:.1e}" if 0 < value < 1e-3 else f"{value:.3f}"


def _tabulate_levels(levels: Sequence[LevelSummary]) -> Table:
    headings = ("level", "unit", "pairs", "lowest", "5 %", "25 %", "median", "75 %", "95 %", "highest", "from")

    def row(level: LevelSummary) -> tuple[Cell, ...]:
        factor = 1.0 if level.unit else 100.0
        numbers = (level.lowest[0].value, *level.percentiles.values(), level.highest[0].value)
        sound, _, measure = level.name.partition(" ")
        name = f"{format_kind(sound)} {format_kind(measure.removesuffix('_dbfs').removesuffix('_db'))}"
        shown = [format_number(factor * value) for value in numbers]
        return (name, level.unit or "%", f"{level.count:,}", *shown, level.source)

    note = "index: as the build measured them, all pairs; sample: measured for this report"
    return Table(title="Levels", note=note, headings=headings, rows=tuple(map(row, levels)))


def _tabulate_leaks(report: Report) -> Table:
    ranked = sorted(report.leaks, key=lambda leak: (-leak.similarity, leak.first, leak.second))
    rows = tuple(
        (format_kind(leak.kind), leak.first, leak.second, f"{leak.similarity:.3f}", leak.compared)
        for leak in ranked[:_LEAKS_SHOWN]
    )
    compared = " and ".join(
        f"{each.sounds:,} {'files of the library' if each.compared == 'library' else each.compared}"
        for each in report.comparisons
    )
    note = f"of {compared} compared; {len(report.leaks):,} found"
    headings = ("kind", "sound", "the same as", "similarity", "compared")
    return Table(title="One sound in two splits", note=note, headings=headings, rows=rows, is_open=True)


def _tabulate_duplicates(counts: Sequence[DuplicateCount]) -> Table:
    rows = tuple(
        (
            "mixture" if count.sound == "mix" else format_kind(count.sound),
            f"{count.files:,}",
            f"{count.different:,}",
            f"{count.files - count.different:,}",
            f"{count.in_two_splits:,}",
        )
        for count in counts
    )
    headings = ("sound", "files", "different", "repeated", "in two splits")
    return Table(title="Equal files", note="byte for byte, all pairs", headings=headings, rows=rows)


def _tabulate_use(use: Sequence[KindUse]) -> Table:
    def row(each: KindUse) -> tuple[Cell, ...]:
        top = f"{each.top[0][0]} {each.top[0][1]:,} ×"
        uses = f"{each.fewest:,} to {each.most:,}"
        effective = f"{each.effective_sounds:.1f}"
        kits = f"{each.effective_kits:.1f} of {each.kits:,}"
        name = f"{each.split} {format_kind(each.kind)}"
        return (name, f"{each.uses:,}", f"{each.sounds:,}", effective, uses, kits, top)

    headings = ("sounds of", "uses", "sounds", "effective", "uses per sound", "effective kits", "most used")
    note = "the effective number is the exponential of the entropy of the uses"
    return Table(title="Use of sounds and kits", note=note, headings=headings, rows=tuple(map(row, use)))


def _tabulate_tokens(tokens: Sequence[CodebookUse]) -> Table:
    def rows() -> Iterator[tuple[Cell, ...]]:
        for each in tokens:
            used = f"{each.used:,} of {each.size:,}"
            name = f"{each.codec} {format_kind(each.sound)}"
            yield (name, str(each.codebook), f"{each.tokens:,}", used, f"{each.entropy_bits:.2f}")

    headings = ("tokens of", "codebook", "tokens", "entries used", "entropy, bits")
    note = "without padding, in the sample; few tokens cannot fill a codebook"
    return Table(title="Codebooks", note=note, headings=headings, rows=tuple(rows()))
