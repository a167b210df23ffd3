"""The data set in figures: what varies over all pairs of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview import plots
from rmod_pipeline.pages.preview.plots import Bar, Dot
from rmod_pipeline.pages.preview.view import PairView
from rmod_pipeline.pages.preview.words import kind_words, level

LICENCE_NAMES = 112
"""Room for the names of licences, which are long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    title: str
    note: str
    picture: Markup


def figures(pairs: Sequence[PairView], colours: Mapping[str, str]) -> tuple[Figure, ...]:
    """Return the plots of all pairs, without those that have nothing to show; ``colours`` are classes by kind."""
    named = {kind_words(kind): colour for kind, colour in colours.items()}
    found = (
        _loudness(pairs),
        _hits(pairs, named),
        _tracks(pairs, named),
        _semitones(pairs),
        _use(pairs, named),
        _licences(pairs),
    )
    return tuple(figure for figure in found if figure is not None)


def _loudness(pairs: Sequence[PairView]) -> Figure | None:
    """Show the loudness of every mixture, a dot a pair, each a link to its pair."""
    levels = [(pair.loudness, pair.key) for pair in pairs if pair.loudness is not None]
    if not levels:
        return None
    median = sorted(value for value, _ in levels)[len(levels) // 2]
    dots = [Dot(value=value, label=f"{key}: {level(value, 'LUFS')}", anchor=key) for value, key in levels]
    return Figure(
        title="Loudness",
        note=f"integrated, a dot a mixture; median {level(median, 'LUFS')}",
        picture=plots.stacked_dots(dots),
    )


def _hits(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    rows: dict[str, Counter[int]] = {}
    for pair in pairs:
        for track in pair.facts.spec.drums:
            rows.setdefault(kind_words(track.kind), Counter())[len(track.notes)] += 1
    if not rows:
        return None
    note = "how many; the larger the disc, the more pairs"
    return Figure(title="Hits in a mixture", note=note, picture=plots.discs(rows, colours))


def _tracks(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    # The pair with the most tracks first: its order is the recipe's.
    fullest_first = sorted(pairs, key=lambda pair: -len(pair.facts.spec.tracks))
    count = Counter(kind_words(track.kind) for pair in fullest_first for track in pair.facts.spec.tracks)
    if not count:
        return None
    rows = [Bar(name=name, number=number, colour=colours[name]) for name, number in count.items()]
    return Figure(
        title="Tracks present", note=f"in how many of {len(pairs)} pairs", picture=plots.bars(rows, len(pairs))
    )


def _semitones(pairs: Sequence[PairView]) -> Figure | None:
    count = Counter(track.semitones for pair in pairs for track in pair.facts.spec.loops)
    if not count:
        return None
    return Figure(
        title="Pitch shift of loops",
        note=f"semitones, {count.total()} loops",
        picture=plots.histogram(count, min(-12, *count), max(12, *count)),
    )


def _use(pairs: Sequence[PairView], colours: Mapping[str, str]) -> Figure | None:
    """Show how often one and the same one-shot is used."""
    used: dict[str, Counter[str]] = {}
    for pair in pairs:
        for track in pair.facts.spec.drums:
            used.setdefault(kind_words(track.kind), Counter()).update(layer.sha256 for layer in track.layers)
    rows = {name: Counter(sounds.values()) for name, sounds in used.items() if sounds}
    if not rows:
        return None
    different = sum(len(sounds) for sounds in used.values())
    note = f"how often the same one; {different} different sounds"
    return Figure(title="One-shot use", note=note, picture=plots.discs(rows, colours))


def _licences(pairs: Sequence[PairView]) -> Figure | None:
    licence = {(source.kind, source.id): source.licence for pair in pairs for source in pair.sources}
    count = Counter(licence.values()).most_common()
    if not count:
        return None
    rows = [Bar(name=name.removeprefix("LicenseRef-"), number=number) for name, number in count]
    picture = plots.bars(rows, rows[0].number, LICENCE_NAMES)
    return Figure(title="Licences", note=f"of {len(licence)} different sounds", picture=picture)
