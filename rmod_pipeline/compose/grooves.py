"""Turn a window of a performance into the notes of a pair's drums."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from rmod_pipeline.draw import Draw
from rmod_pipeline.patterns.performance import Hit, hits_between
from rmod_pipeline.patterns.windows import GrooveWindow, SplitGrooves
from rmod_pipeline.spec import Groove, Note, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedGroove:
    """The window that a pair plays, and the notes of its drums."""

    groove: Groove
    notes: Mapping[str, tuple[Note, ...]]
    """By kind; a kind that is not hit in the window is not there."""


def compose_groove(
    grooves: SplitGrooves,
    kinds: Collection[str],
    chokes: Sequence[Collection[str]],
    settings: Settings,
    draw: Draw,
) -> ComposedGroove:
    """Draw a window, and return its hits of these kinds as notes. Hits of other kinds do not sound."""
    window = grooves.choose(draw)
    performance, start = window.performance, window.performance.start_of(window.bar)
    units = performance.units_per_second
    # At least one unit beyond the window, so that rounding decides which hits are in it.
    length = settings.frames * units // settings.sample_rate + 1
    notes = {
        kind: make_notes(hits_between(performance.hits.get(kind, ()), start, start + length), start, units, settings)
        for kind in kinds
    }
    notes = {kind: of_kind for kind, of_kind in notes.items() if of_kind}
    for group in chokes:
        notes = choke_notes(notes, group)
    return ComposedGroove(groove=_describe(window, start), notes=notes)


def make_notes(hits: Sequence[Hit], start: int, units_per_second: int, settings: Settings) -> tuple[Note, ...]:
    """Return hits as notes at the nearest points of the grid, in exact arithmetic; of two at a point the harder counts.

    Times are in units after the beginning of the performance; ``start`` is that of the grid.
    """
    velocities: dict[int, int] = {}
    points, units = settings.grid * settings.sample_rate, units_per_second * settings.frames
    for time, velocity in hits:
        tick = (2 * (time - start) * points + units) // (2 * units)
        if tick < settings.grid:
            velocities[tick] = max(velocity, velocities.get(tick, 0))
    return tuple(Note(tick=tick, velocity=velocity) for tick, velocity in sorted(velocities.items()))


def choke_notes(notes: Mapping[str, tuple[Note, ...]], group: Collection[str]) -> dict[str, tuple[Note, ...]]:
    """Return the notes of all kinds; a hit of a group ends where another kind of the group is hit next.

    An end is written only where it comes before the next hit of the kind itself, which ends the hit in any case.
    """
    choked = dict(notes)
    for kind in group:
        others = sorted({note.tick for other in group if other != kind for note in notes.get(other, ())})
        own = choked.get(kind, ())
        if not own or not others:
            continue
        ended = []
        for note, following in zip(own, [*(later.tick for later in own[1:]), None], strict=True):
            at = bisect_right(others, note.tick)
            # Another group may have choked it before.
            least = min((end for end in (following, note.end) if end is not None), default=None)
            is_choked = at < len(others) and (least is None or others[at] < least)
            ended.append(replace(note, end=others[at]) if is_choked else note)
        choked[kind] = tuple(ended)
    return choked


def _describe(window: GrooveWindow, start: int) -> Groove:
    entry, performance = window.entry, window.performance
    return Groove(
        performance=entry.performance,
        sha256=entry.sha256,
        drummer=entry.drummer,
        group=entry.group,
        licence=entry.licence,
        source=entry.source,
        bar=window.bar,
        start_seconds=round(start / performance.units_per_second, 9),
        tempo=performance.bpm(window.bar),
    )
