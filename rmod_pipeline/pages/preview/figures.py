"""Plot how values are distributed over all pairs of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview import plots
from rmod_pipeline.pages.preview.formatting import format_kind, format_level
from rmod_pipeline.pages.preview.plots import Bar, Dot
from rmod_pipeline.pages.preview.view import PairView

LICENCE_LABEL_WIDTH = 112
"""Width for the names of licences, which are longer than other labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A plot with its title and note."""

    title: str
    note: str
    picture: Markup


def make_figures(pairs: Sequence[PairView], colours: Mapping[str, str]) -> tuple[Figure, ...]:
    """Return all plots that have data; ``colours`` contains the CSS class of every kind."""
    colour_of_label = {format_kind(kind): colour for kind, colour in colours.items()}
    candidates = (
        _plot_loudness(pairs),
        _plot_hits(pairs, colour_of_label),
        _plot_tracks(pairs, colour_of_label),
        _plot_semitones(pairs),
        _plot_one_shot_use(pairs, colour_of_label),
        _plot_licences(pairs),
    )
    return tuple(figure for figure in candidates if figure is not None)


def _plot_loudness(pairs: Sequence[PairView]) -> Figure | None:
    """Plot the loudness of every mixture, with one dot per pair that links to it."""
    levels = [(pair.loudness, pair.key) for pair in pairs if pair.loudness is not None]
    if not levels:
        return None
    median = sorted(value for value, _ in levels)[len(levels) // 2]
    dots = [Dot(value=value, label=f"{key}: {format_level(value, 'LUFS')}", anchor=key) for value, key in levels]
    return Figure(
        title="Loudness",
        note=f"integrated, one dot per mixture; median {format_level(median, 'LUFS')}",
        picture=plots.draw_dots(dots),
    )


def _plot_hits(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    rows: dict[str, Counter[int]] = {}
    for pair in pairs:
        for track in pair.metadata.spec.drums:
            if track.notes or not pair.metadata.spec.is_imported:
                rows.setdefault(format_kind(track.kind), Counter())[len(track.notes)] += 1
    if not rows:
        return None
    note = "number of hits; a larger disc means more pairs"
    return Figure(title="Hits per mixture", note=note, picture=plots.draw_discs(rows, colours))


def _plot_tracks(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    # The pair with the most tracks comes first, because its tracks have the order of the recipe.
    fullest_first = sorted(pairs, key=lambda pair: -len(pair.metadata.spec.tracks))
    count = Counter(format_kind(track.kind) for pair in fullest_first for track in pair.metadata.spec.tracks)
    if not count:
        return None
    rows = [Bar(name=name, count=number, colour=colours[name]) for name, number in count.items()]
    return Figure(
        title="Tracks present", note=f"number of pairs, of {len(pairs)}", picture=plots.draw_bars(rows, len(pairs))
    )


def _plot_semitones(pairs: Sequence[PairView]) -> Figure | None:
    rendered = [pair.metadata.spec for pair in pairs if not pair.metadata.spec.is_imported]
    count = Counter(track.semitones for spec in rendered for track in spec.loops)
    if not count:
        return None
    return Figure(
        title="Pitch shift of loops",
        note=f"semitones, {count.total()} loops",
        picture=plots.draw_histogram(count, min(-12, *count), max(12, *count)),
    )


def _plot_one_shot_use(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    """Plot how often each one-shot is used."""
    used: dict[str, Counter[str]] = {}
    for pair in pairs:
        for track in pair.metadata.spec.drums:
            used.setdefault(format_kind(track.kind), Counter()).update(layer.sha256 for layer in track.layers)
    rows = {name: Counter(sounds.values()) for name, sounds in used.items() if sounds}
    if not rows:
        return None
    different = sum(len(sounds) for sounds in used.values())
    note = f"uses per one-shot; {different} different one-shots"
    return Figure(title="One-shot use", note=note, picture=plots.draw_discs(rows, colours))


def _plot_licences(pairs: Sequence[PairView]) -> Figure | None:
    licence = {(source.kind, source.id): source.licence for pair in pairs for source in pair.sources}
    count = Counter(licence.values()).most_common()
    if not count:
        return None
    rows = [Bar(name=name.removeprefix("LicenseRef-"), count=number) for name, number in count]
    picture = plots.draw_bars(rows, rows[0].count, LICENCE_LABEL_WIDTH)
    return Figure(title="Licences", note=f"number of sounds, of {len(licence)}", picture=picture)
