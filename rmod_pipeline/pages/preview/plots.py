"""Draw four kinds of plots as inline SVG: stacked dots, a histogram, discs in rows, horizontal bars."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview.formatting import format_integer
from rmod_pipeline.pages.preview.svg import element, join_markup, tooltip

WIDTH, HEIGHT = 320, 150
"""Size of a plot in the units of its view box."""
MARGIN, AXIS_Y = 8, HEIGHT - 22
"""Width of the side margins, and the vertical position of the axis."""
LABEL_WIDTH = 62
"""Width for the labels of rows."""
MOST_ROWS = 8
"""Rows that fit; the smallest are left out."""
_STEPS = (1, 2, 3, 5, 6, 10, 12, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One value in a plot of stacked dots."""

    value: float
    label: str
    anchor: str
    """Id of the element on the page that it links to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One row of a bar plot."""

    name: str
    count: int
    colour: str = ""
    """CSS class of its colour; empty for the colour of loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear map from values to horizontal positions in a plot."""

    low: float
    high: float
    left: float = MARGIN

    def at(self, value: float) -> float:
        """Return the horizontal position of a value."""
        return self.left + (value - self.low) / (self.high - self.low) * (WIDTH - self.left - MARGIN)

    @property
    def unit(self) -> float:
        """Distance between two consecutive integers."""
        return self.at(1) - self.at(0)


def draw_dots(dots: Sequence[Dot]) -> Markup:
    """Stack dots over a number line, with the largest radius that fits."""
    scale = Scale(
        low=math.floor(min(dot.value for dot in dots)) - 1, high=math.ceil(max(dot.value for dot in dots)) + 1
    )
    for radius in (7.0, 5.5, 4.5, 3.5, 2.5, 1.8, 1.2, 0.8):
        pitch = 2.2 * radius
        columns = [round((scale.at(dot.value) - MARGIN) / pitch) for dot in dots]
        if max(Counter(columns).values()) * pitch <= AXIS_Y - MARGIN:
            break
    height: Counter[int] = Counter()
    marks = []
    for dot, column in sorted(zip(dots, columns, strict=True), key=lambda pair: pair[0].value):
        height[column] += 1
        circle = element(
            "circle",
            tooltip(dot.label),
            class_="dot",
            cx=MARGIN + column * pitch,
            cy=AXIS_Y - 2 - (height[column] - 0.5) * pitch,
            r=radius,
        )
        marks.append(element("a", circle, href=f"#{dot.anchor}"))
    return _draw_plot(_draw_axis(scale), *marks)


def draw_histogram(counts: Mapping[int, int], low: int, high: int) -> Markup:
    """Draw one bar per integer in ``counts``; the bar of 0 is highlighted."""
    scale = Scale(low=low - 0.5, high=high + 0.5)
    most = max(counts.values())
    bars = [
        element(
            "rect",
            tooltip(f"{format_integer(value)}: {count}"),
            class_="bar home" if value == 0 else "bar",
            x=scale.at(value - 0.5) + 1,
            y=AXIS_Y - count / most * (AXIS_Y - MARGIN),
            width=scale.unit - 2,
            height=count / most * (AXIS_Y - MARGIN),
            rx=1,
        )
        for value, count in sorted(counts.items())
    ]
    return _draw_plot(_draw_axis(scale), *bars)


def draw_discs(rows: Mapping[str, Counter[int]], colours: Mapping[str, str]) -> Markup:
    """Draw one row per name, with a disc at each integer whose area is proportional to its count."""
    low, high = min(min(row) for row in rows.values()) - 1, max(max(row) for row in rows.values()) + 1
    scale = Scale(low=low, high=max(high, low + 6), left=LABEL_WIDTH)
    most = max(max(row.values()) for row in rows.values())
    pitch = AXIS_Y / len(rows)
    widest = min(pitch * 0.46, 13.0, 0.62 * scale.unit)
    parts = []
    for number, (name, row) in enumerate(rows.items()):
        middle = (number + 0.5) * pitch
        parts.append(_draw_row_label(name, middle, LABEL_WIDTH))
        parts += [
            element(
                "circle",
                tooltip(f"{name}: {value}, {count} ×"),
                class_=f"disc {colours[name]}",
                cx=scale.at(value),
                cy=middle,
                r=max(widest * math.sqrt(count / most), 1.2),
            )
            for value, count in sorted(row.items())
        ]
    return _draw_plot(_draw_axis(scale), *parts)


def draw_bars(rows: Sequence[Bar], full: int, label_width: int = LABEL_WIDTH) -> Markup:
    """Draw horizontal bars labelled with their counts; ``full`` is the count that fills the width."""
    shown = rows[:MOST_ROWS]
    pitch = min(HEIGHT / len(shown), 26.0)
    thick = min(pitch * 0.6, 11.0)
    parts = []
    for number, row in enumerate(shown):
        middle = (number + 0.5) * pitch
        length = max((WIDTH - label_width - 34) * row.count / full, 1.5)
        parts += [
            _draw_row_label(row.name, middle, label_width),
            element(
                "rect",
                class_=f"bar {row.colour}",
                x=label_width,
                y=middle - thick / 2,
                width=length,
                height=thick,
                rx=2,
            ),
            element("text", str(row.count), class_="end", x=label_width + length + 6, y=middle + 3.5),
        ]
    return _draw_plot(*parts)


def _draw_row_label(name: str, middle: float, width: int) -> Markup:
    most_characters = width // 6
    short = name if len(name) <= most_characters else name[: most_characters - 1] + "…"
    return element("text", short, tooltip(name), class_="name", x=width - 8, y=middle + 3.5)


def _draw_axis(scale: Scale) -> Markup:
    """Draw the axis of a plot with at most nine integer ticks."""
    span = scale.high - scale.low
    step = next((step for step in _STEPS if span / step <= 9), _STEPS[-1])
    first = math.ceil(scale.low / step) * step
    ticks = range(first, math.floor(scale.high) + 1, step)
    line = element("path", class_="axis", d=f"M{scale.left} {AXIS_Y}H{WIDTH - MARGIN}")
    numbers = (element("text", format_integer(tick), class_="tick", x=scale.at(tick), y=HEIGHT - 7) for tick in ticks)
    return join_markup([line, *numbers])


def _draw_plot(*content: Markup) -> Markup:
    return element("svg", *content, class_="figure", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
