"""Make pictures that are the same bytes on every run: figures of matplotlib in one style, saved as PNG."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING

from rmod_pipeline.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#4d4d4d")
"""Okabe and Ito's colours, which people with any form of colour blindness can tell apart, and two more."""

TEXT, GRID, GROUND = "#222222", "#dddddd", "#ffffff"

INSTALL = 'pip install "rmod-pipeline[plots]"'


def draw_png(width: float, height: float, draw: Callable[[Figure], None], *, dpi: int = 100) -> bytes:
    """Return a picture as PNG. width, height: in inches. draw: fills the empty figure.

    The user's settings of matplotlib have no effect. Raises UsageError if matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.style import context

    style = {
        "axes.edgecolor": GRID,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.labelcolor": TEXT,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 10,
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "grid.color": GRID,
        "legend.frameon": False,
        "text.color": TEXT,
        "text.parse_math": False,
        "xtick.color": TEXT,
        "ytick.color": TEXT,
    }
    with context(["default", style]):
        figure = Figure(figsize=(width, height), dpi=dpi, facecolor=GROUND, layout="constrained")
        draw(figure)
        stream = BytesIO()
        FigureCanvasAgg(figure).print_png(stream, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return stream.getvalue()


def check_matplotlib() -> None:
    """Raise UsageError if matplotlib, which draws the pictures, is not installed."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise UsageError(
            "matplotlib", "is not installed, and draws the pictures of a release", f"install it: {INSTALL}"
        )
