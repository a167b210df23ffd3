"""Draw confusions as inline SVG: a row per true label, a column per answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.results import LabelSetResults
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.svg import element, join_markup, tooltip

CELL = 34.0
LEFT, TOP = 96.0, 84.0
MARGIN = 8.0
_DARK = 0.55
"""From this share on, the number of a cell has the colour of the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusionFigure:
    """The confusions of one system."""

    system: str
    title: str
    picture: Markup
    mistakes: tuple[str, ...]
    """The most frequent mistakes, in words."""


def make_confusions(table: LabelSetResults) -> Iterator[ConfusionFigure]:
    """Yield the confusions of each system on a set of labels."""
    labels = [format_kind(label) for label in table.labels.labels]
    for row in table.rows:
        confusion = row.scores.confusion
        yield ConfusionFigure(
            system=row.system,
            title=row.title,
            picture=draw_confusion(confusion, labels, row.system),
            mistakes=tuple(list_mistakes(confusion, labels)),
        )


def list_mistakes(confusion: NDArray[np.int64], labels: Sequence[str], most: int = 5) -> Iterator[str]:
    """Yield the most frequent mistakes: ``rim answered as snare: 12 of 68``."""
    pairs = [(int(confusion[i, j]), i, j) for i, j in np.argwhere(confusion) if i != j]
    for count, true, answer in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2]))[:most]:
        yield describe_cell(labels[true], labels[answer], count, int(confusion[true].sum()))


def describe_cell(true: str, answer: str, count: int, total: int) -> str:
    """Return a cell in words."""
    if true == answer:
        return f"{true} answered right: {count} of {total}"
    return f"{true} answered as {answer}: {count} of {total}"


def draw_confusion(confusion: NDArray[np.int64], labels: Sequence[str], system: str) -> Markup:
    """Draw a confusion [labels, labels]: the colour is the share of the row, the number counts sounds."""
    size = len(labels)
    parts = [element("text", "true", class_="tick", x=LEFT - 8, y=TOP - 10.0)]
    for number, label in enumerate(labels):
        middle = (number + 0.5) * CELL
        place = f"translate({LEFT + middle + 4:.1f} {TOP - 8:.1f}) rotate(-50)"
        parts.append(element("text", label, class_="column", transform=place))
        parts.append(element("text", label, class_="name", x=LEFT - 8, y=TOP + middle + 4))
    for true in range(size):
        total = int(confusion[true].sum())
        parts += [_draw_cell(confusion, labels, true, answer, total) for answer in range(size)]
    width, height = LEFT + size * CELL + 60, TOP + size * CELL + MARGIN
    text = f"Confusions of {system}: a row per true class, a column per answer."
    return element(
        "svg",
        tooltip(text),
        join_markup(parts),
        class_="confusion",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        style=f"max-width:{width:.0f}px",
        role="img",
    )


def _draw_cell(confusion: NDArray[np.int64], labels: Sequence[str], true: int, answer: int, total: int) -> Markup:
    count = int(confusion[true, answer])
    share = count / total if total else 0.0
    x, y = LEFT + answer * CELL, TOP + true * CELL
    kind = "right" if true == answer else "wrong"
    parts = [
        element(
            "rect",
            tooltip(describe_cell(labels[true], labels[answer], count, total)),
            class_=f"cell {kind}",
            x=x + 1,
            y=y + 1,
            width=CELL - 2,
            height=CELL - 2,
            rx=3,
            style=f"fill-opacity:{0.04 + 0.96 * share:.3f}" if count else "fill-opacity:0.04",
        )
    ]
    if count:
        style = "count on" if share >= _DARK else "count"
        parts.append(element("text", str(count), class_=style, x=x + CELL / 2, y=y + CELL / 2 + 4))
    return join_markup(parts)
