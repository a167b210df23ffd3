"""Draw the cover of a release: the title over one of its mixtures and its one-shots."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.figures import COLOURS, draw_png
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.releases.sites.limits import KAGGLE_COVER_PIXELS
from rmod_pipeline.shards.layout import AUDIO

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 100
_GROUND, _INK, _PALE = "#101828", "#ffffff", "#98a2b3"
_LINES = 400
"""Vertical lines of a drawn sound."""


def draw_cover(request: ReleaseRequest, facts: ReleaseFacts) -> bytes:
    """Return the cover as PNG, of the least size that Kaggle takes: it shows this part of a larger one alone.

    The title stands in the middle, because a square of it is the thumbnail. Without audio there is no sound to draw.
    """
    width, height = KAGGLE_COVER_PIXELS
    sounds = _read_first_pair(request, facts)
    return draw_png(width / _DPI, height / _DPI, lambda figure: _draw(figure, request, facts, sounds), dpi=_DPI)


def _read_first_pair(request: ReleaseRequest, facts: ReleaseFacts) -> list[NDArray[np.float32]]:
    """Return mixture and one-shots of the first pair [samples], scaled to a peak of 1; none where no audio is kept."""
    if not any(family.name == AUDIO for family in facts.families):
        return []
    data = DataSet(request.out)
    keys = data.keys()
    pair = data.pair(next(key for key in keys if request.pairs is None or key in request.pairs))
    sounds = [pair.mix, *pair.one_shots.values()]
    return [sound.mean(axis=0) / max(float(np.abs(sound.mean(axis=0)).max()), 1e-9) for sound in sounds]


def _draw(figure: Figure, request: ReleaseRequest, facts: ReleaseFacts, sounds: Sequence[NDArray[np.float32]]) -> None:
    figure.set_layout_engine("none")
    figure.set_facecolor(_GROUND)
    if sounds:
        _draw_sound(_bare_axes(figure, (0, 0.02, 1, 0.3)), sounds[0], _PALE)
        width = 1 / max(len(sounds) - 1, 1)
        for number, one_shot in enumerate(sounds[1:]):
            place = (number * width + 0.04, 0.74, width - 0.08, 0.24)
            _draw_sound(_bare_axes(figure, place), one_shot, COLOURS[number % len(COLOURS)])
    title = textwrap.wrap(request.title, 18)[:4] or [""]
    size = 17 if len(title) < 3 else 14
    figure.text(0.5, 0.54, "\n".join(title), color=_INK, size=size, weight="bold", ha="center", va="center")
    counted = f"{facts.pairs:,} pairs of mixture and one-shots"
    figure.text(0.5, 0.335, counted, color=_INK, size=8.5, ha="center", va="center")


def _bare_axes(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    axes = figure.add_axes(place)
    axes.set_axis_off()
    return axes


def _draw_sound(axes: Axes, sound: NDArray[np.float32], colour: str) -> None:
    """Draw the envelope of a sound [samples]: the range of the samples behind each vertical line."""
    parts = np.array_split(sound, min(_LINES, len(sound)))
    low, high = [float(part.min()) for part in parts], [float(part.max()) for part in parts]
    axes.fill_between(range(len(parts)), low, high, color=colour, linewidth=0.6)
    axes.set_xlim(0, len(parts))
    axes.set_ylim(-1.05, 1.05)
