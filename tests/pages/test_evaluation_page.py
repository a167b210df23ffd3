"""The page of an evaluation: bins, lines, tables as Markdown, and names that are no markup."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.evaluation.figures.statistics import Interval
from rmod_pipeline.pages.evaluation.plots import BINS, Line, draw_lines, make_bins
from rmod_pipeline.pages.evaluation.tables import ResultTable, format_interval, render_markdown


@given(st.lists(st.floats(-60, 60, allow_nan=False), min_size=1, max_size=60))
def test_every_value_falls_into_a_bin_that_has_a_label(values: list[float]) -> None:
    edges, labels = make_bins(values)
    bins = np.searchsorted(np.array(edges), np.array(values), side="right")
    assert edges == sorted(set(edges))
    assert 1 <= len(labels) == len(edges) + 1 <= BINS
    assert set(bins) <= set(range(len(labels)))


def test_a_system_keeps_its_colour_where_others_are_missing() -> None:
    picture = str(draw_lines({2: Line(system="<b>cut</b>", means=(0.5, None, 0.25))}, ["1", "2", "3"]))
    assert 'class="line l2"' in picture
    assert "l0" not in picture
    assert "&lt;b&gt;cut&lt;/b&gt;" in picture
    assert picture.count("<circle") == 2, "an empty bin has no dot"


def test_a_figure_without_an_interval_is_the_number_alone() -> None:
    assert format_interval(Interval(mean=0.25, low=None, high=None)) == "0.250"
    assert format_interval(Interval(mean=0.25, low=0.1, high=0.4), 2) == "0.25 (0.10 to 0.40)"
    assert format_interval(None) == "–"


def test_a_cell_never_breaks_a_markdown_table() -> None:
    class Recipe:
        name = "table"

    class Results:
        recipe = Recipe()

    table = ResultTable(title="t", note="n", headings=("a", "b"), rows=(("x|y", "line\nbreak"),))
    lines = render_markdown(Results(), [table]).splitlines()  # type: ignore[arg-type]
    assert lines[-1] == r"| x\|y | line break |"
