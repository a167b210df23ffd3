"""Four small plots, as inline SVG: stacked dots, a histogram, discs in rows, horizontal bars."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview.svg import element, join, title
from rmod_pipeline.pages.preview.words import whole

WIDTH, HEIGHT = 320, 150
"""Of a plot, in the units of its view box."""
EDGE, FLOOR = 8, HEIGHT - 22
"""Room at the sides, and the height of the axis."""
NAMES = 62
"""Room for the names of rows."""
ROWS = 8
"""Rows that fit; what is smaller is left out."""
_STEPS = (1, 2, 3, 5, 6, 10, 12, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    value: float
    label: str
    anchor: str
    """What it links to on the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    name: str
    number: int
    colour: str = ""
    """Class of its colour; empty for that of all loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values to places across a plot."""

    low: float
    high: float
    left: float = EDGE

    def at(self, value: float) -> float:
        return self.left + (value - self.low) / (self.high - self.low) * (WIDTH - self.left - EDGE)

    @property
    def unit(self) -> float:
        """How far apart two whole numbers are."""
        return self.at(1) - self.at(0)


def stacked_dots(dots: Sequence[Dot]) -> Markup:
    """Stack dots over a line of numbers, as large as there is room for."""
    scale = Scale(
        low=math.floor(min(dot.value for dot in dots)) - 1, high=math.ceil(max(dot.value for dot in dots)) + 1
    )
    for radius in (7.0, 5.5, 4.5, 3.5, 2.5, 1.8, 1.2, 0.8):
        pitch = 2.2 * radius
        columns = [round((scale.at(dot.value) - EDGE) / pitch) for dot in dots]
        if max(Counter(columns).values()) * pitch <= FLOOR - EDGE:
            break
    height: Counter[int] = Counter()
    marks = []
    for dot, column in sorted(zip(dots, columns, strict=True), key=lambda pair: pair[0].value):
        height[column] += 1
        circle = element(
            "circle",
            title(dot.label),
            class_="dot",
            cx=EDGE + column * pitch,
            cy=FLOOR - 2 - (height[column] - 0.5) * pitch,
            r=radius,
        )
        marks.append(element("a", circle, href=f"#{dot.anchor}"))
    return _figure(_axis(scale), *marks)


def histogram(count: Mapping[int, int], low: int, high: int) -> Markup:
    """Draw a bar for every whole number; the one of 0 stands out."""
    scale = Scale(low=low - 0.5, high=high + 0.5)
    most = max(count.values())
    bars = [
        element(
            "rect",
            title(f"{whole(value)}: {number}"),
            class_="bar home" if value == 0 else "bar",
            x=scale.at(value - 0.5) + 1,
            y=FLOOR - number / most * (FLOOR - EDGE),
            width=scale.unit - 2,
            height=number / most * (FLOOR - EDGE),
            rx=1,
        )
        for value, number in sorted(count.items())
    ]
    return _figure(_axis(scale), *bars)


def discs(rows: Mapping[str, Counter[int]], colours: Mapping[str, str]) -> Markup:
    """Draw a row a name, with a disc at each number whose area is the count."""
    low, high = min(min(row) for row in rows.values()) - 1, max(max(row) for row in rows.values()) + 1
    scale = Scale(low=low, high=max(high, low + 6), left=NAMES)
    most = max(max(row.values()) for row in rows.values())
    pitch = FLOOR / len(rows)
    widest = min(pitch * 0.46, 13.0, 0.62 * scale.unit)
    parts = []
    for place, (name, row) in enumerate(rows.items()):
        middle = (place + 0.5) * pitch
        parts.append(_row_name(name, middle, NAMES))
        parts += [
            element(
                "circle",
                title(f"{name}: {value}, {number} ×"),
                class_=f"disc {colours[name]}",
                cx=scale.at(value),
                cy=middle,
                r=max(widest * math.sqrt(number / most), 1.2),
            )
            for value, number in sorted(row.items())
        ]
    return _figure(_axis(scale), *parts)


def bars(rows: Sequence[Bar], full: int, names: int = NAMES) -> Markup:
    """Draw horizontal bars with their numbers; ``full`` is the number of one that fills the width."""
    shown = rows[:ROWS]
    pitch = min(HEIGHT / len(shown), 26.0)
    thick = min(pitch * 0.6, 11.0)
    parts = []
    for place, row in enumerate(shown):
        middle = (place + 0.5) * pitch
        length = max((WIDTH - names - 34) * row.number / full, 1.5)
        parts += [
            _row_name(row.name, middle, names),
            element(
                "rect", class_=f"bar {row.colour}", x=names, y=middle - thick / 2, width=length, height=thick, rx=2
            ),
            element("text", str(row.number), class_="end", x=names + length + 6, y=middle + 3.5),
        ]
    return _figure(*parts)


def _row_name(name: str, middle: float, room: int) -> Markup:
    fits = room // 6
    short = name if len(name) <= fits else name[: fits - 1] + "…"
    return element("text", short, title(name), class_="name", x=room - 8, y=middle + 3.5)


def _axis(scale: Scale) -> Markup:
    """Draw the line under a plot with a whole number at every few steps."""
    span = scale.high - scale.low
    step = next((step for step in _STEPS if span / step <= 9), _STEPS[-1])
    first = math.ceil(scale.low / step) * step
    ticks = range(first, math.floor(scale.high) + 1, step)
    line = element("path", class_="axis", d=f"M{scale.left} {FLOOR}H{WIDTH - EDGE}")
    numbers = (element("text", whole(tick), class_="tick", x=scale.at(tick), y=HEIGHT - 7) for tick in ticks)
    return join([line, *numbers])


def _figure(*content: Markup) -> Markup:
    return element("svg", *content, class_="figure", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
