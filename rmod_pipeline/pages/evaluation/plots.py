"""Draw what the distance depends on, as inline SVG: hits, level under the mixture, instruments, kits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from rmod_pipeline.evaluation.figures.results import DISTANCE, Cell, EvaluationResults, choose_baseline
from rmod_pipeline.pages.preview import plots
from rmod_pipeline.pages.preview.figures import Figure
from rmod_pipeline.pages.preview.formatting import format_kind, format_number
from rmod_pipeline.pages.preview.svg import element, join_markup, tooltip

WIDTH, HEIGHT, MARGIN, AXIS_Y = plots.WIDTH, plots.HEIGHT, plots.MARGIN, plots.AXIS_Y
LEFT = 30
"""Width for the numbers of the vertical axis."""
BINS = 5
LEAST_PER_BIN = 3
"""Pairs without which a bin shows nothing."""
MOST_LINES, MOST_KITS = 6, 8

FACTORS: Mapping[str, tuple[str, str]] = {
    "hits": ("hits", "hits in the mixture"),
    "audible_db": ("level", "level of the clearest hit above the rest, in dB; fifths of the pairs, by their medians"),
    "instruments": ("instruments", "backing loops in the mixture"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The mean distance of a system in every bin of a factor."""

    system: str
    means: tuple[float | None, ...]


def make_factor_figures(results: EvaluationResults, test_set: str) -> Iterator[Figure]:
    """Yield a plot per kind and factor, and one per kind of the kits that are hardest."""
    legend = make_legend(results, test_set)
    for kind in results.recipe.kinds:
        known = {row["key"]: row for row in results.truths[test_set, kind]}
        cells = [cell for cell in results.cells if (cell.test_set, cell.kind) == (test_set, kind)]
        cells = [cell for cell in cells if DISTANCE in cell.values]
        shown = [cell for cell in cells if cell.system in legend]
        for factor, (title, note) in FACTORS.items():
            values = [row[factor] for row in known.values() if row.get(factor) is not None]
            if cells and len(set(values)) > 1:
                edges, labels = make_bins(values)
                lines = {legend.index(cell.system): make_line(cell, known, factor, edges) for cell in shown}
                title_of_kind = f"{format_kind(kind)}: distance by {title}"
                yield Figure(title=title_of_kind, note=note, picture=draw_lines(lines, labels))
        yield from _plot_kits(results, kind, cells)


def make_legend(results: EvaluationResults, test_set: str) -> tuple[str, ...]:
    """Return the systems that fit into a plot, in the order of their colours: the baseline first, without silence."""
    measured = {cell.system for cell in results.cells if cell.test_set == test_set and DISTANCE in cell.values}
    baseline = choose_baseline(results.recipe)
    others = [system for system in results.systems(test_set) if system not in (baseline, "silence")]
    return tuple(system for system in (baseline, *others) if system in measured)[:MOST_LINES]


def make_bins(values: Sequence[float]) -> tuple[list[float], list[str]]:
    """Return the edges of bins with about equal numbers of values, and the median of each bin as its label.

    Few whole numbers get a bin each.
    """
    distinct = sorted(set(values))
    if len(distinct) <= BINS:
        return [*distinct[1:]], [format_number(float(value)) for value in distinct]
    edges = sorted({float(edge) for edge in np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])})
    bins = np.searchsorted(np.array(edges), np.array(values), side="right")
    by_bin = [np.array(values)[bins == number] for number in range(len(edges) + 1)]
    # Among equal values a bin may be empty.
    medians = [float(np.median(some)) if some.size else edges[max(number - 1, 0)] for number, some in enumerate(by_bin)]
    return edges, [format_number(round(median, 1)) for median in medians]


def make_line(cell: Cell, known: Mapping[str, Mapping[str, Any]], factor: str, edges: Sequence[float]) -> Line:
    """Return the mean distances of a cell by bins of a factor; none where too few pairs fall."""
    factors = np.array([known[key][factor] for key in cell.keys], np.float64)
    bins = np.searchsorted(np.array(edges), factors, side="right")
    distances = cell.values[DISTANCE]
    by_bin = [distances[bins == number] for number in range(len(edges) + 1)]
    means = tuple(float(some.mean()) if some.size >= LEAST_PER_BIN else None for some in by_bin)
    return Line(system=cell.system, means=means)


def draw_lines(lines: Mapping[int, Line], labels: Sequence[str]) -> Markup:
    """Draw a line per system over the bins, with the numbers as tooltips; ``lines`` by their place in the legend."""
    highest = max((mean for line in lines.values() for mean in line.means if mean is not None), default=1.0) or 1.0
    step = (WIDTH - LEFT - MARGIN) / len(labels)

    def place(number: int, mean: float) -> tuple[float, float]:
        return LEFT + step * (number + 0.5), AXIS_Y - mean / highest * (AXIS_Y - MARGIN)

    parts = [
        element("path", class_="axis", d=f"M{LEFT} {AXIS_Y}H{WIDTH - MARGIN}"),
        element("text", format_number(highest), class_="end", x=2, y=MARGIN + 6),
        element("text", "0", class_="end", x=2, y=AXIS_Y),
    ]
    parts += [
        element("text", label, class_="tick", x=LEFT + step * (number + 0.5), y=HEIGHT - 7)
        for number, label in enumerate(labels)
    ]
    for number, line in lines.items():
        known = [(index, mean) for index, mean in enumerate(line.means) if mean is not None]
        points = [(*place(index, mean), mean, labels[index]) for index, mean in known]
        if points:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y, *_ in points)
            parts.append(element("path", class_=f"line l{number}", d=path))
        for x, y, mean, label in points:
            text = f"{line.system}, {label}: {mean:.3f}"
            parts.append(element("circle", tooltip(text), class_=f"dot l{number}", cx=x, cy=y, r=2.5))
    return _draw_plot(parts)


def _plot_kits(results: EvaluationResults, kind: str, cells: Sequence[Cell]) -> Iterator[Figure]:
    """Plot the kits on which the baseline is furthest from the truth."""
    baseline = choose_baseline(results.recipe)
    for cell in cells:
        by_kit: dict[str, list[float]] = {}
        for kit, distance in zip(cell.kits, cell.values[DISTANCE], strict=True):
            by_kit.setdefault(kit, []).append(float(distance))
        if cell.system != baseline or len(by_kit) < 2:
            continue
        worst = sorted(by_kit.items(), key=lambda item: -float(np.mean(item[1])))[:MOST_KITS]
        note = f"mean distance of {baseline}, the hardest of {len(by_kit)} kits"
        yield Figure(title=f"{format_kind(kind)}: distance by kit", note=note, picture=_draw_bars(worst))


def _draw_bars(rows: Sequence[tuple[str, Sequence[float]]]) -> Markup:
    left, pitch = 110.0, HEIGHT / MOST_KITS
    most = max(float(np.mean(values)) for _, values in rows) or 1.0
    parts = []
    for number, (kit, values) in enumerate(rows):
        mean, middle = float(np.mean(values)), (number + 0.5) * pitch
        width = max((WIDTH - left - 50) * mean / most, 1.5)
        shown = kit if len(kit) <= 16 else f"{kit[:15]}…"
        parts += [
            element("text", shown, tooltip(kit), class_="name", x=left - 6, y=middle + 3.5),
            element("rect", class_="bar", x=left, y=middle - 5.0, width=width, height=10.0, rx=2),
            element("text", f"{mean:.2f} ({len(values)})", class_="end", x=left + width + 5, y=middle + 3.5),
        ]
    return _draw_plot(parts)


def _draw_plot(parts: Sequence[Markup]) -> Markup:
    return element("svg", join_markup(parts), class_="figure", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
