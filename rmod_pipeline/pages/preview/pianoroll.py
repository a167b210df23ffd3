"""Draw the piano roll: a lane with hits per drum, a lane with bars per loop.

Horizontal positions are per cent of the mixture, so that lanes stretch with the page while marks keep their width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview.formatting import format_kind, format_signed
from rmod_pipeline.pages.preview.svg import element, percent, tooltip
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Settings, note_ends

LANE = 26
"""Height of a lane in pixels."""
GAP = 0.0025
"""Share of the mixture left empty after a bar, so that repetitions of a loop are visible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One row of the piano roll."""

    kind: str
    label: str
    figure: str
    picture: Markup


def draw_lanes(spec: PairSpec, lengths: Mapping[str, float]) -> tuple[Lane, ...]:
    """Return one lane per track, but none for unknown hits of an imported pair.

    ``lengths`` contains the seconds of each drum's one-shot where they are known.
    """
    tracks = (track for track in spec.drums if track.notes or not spec.is_imported)
    drums = (_draw_drum_lane(track, spec.settings, lengths.get(track.kind, 0.0)) for track in tracks)
    loops = (_draw_loop_lane(track, spec.settings) for track in spec.loops)
    return (*drums, *loops)


def draw_hit_lane(kind: str, hits: Sequence[float], seconds: float) -> Lane:
    """Return a lane of hits, given as onsets in seconds in a sound of ``seconds`` length."""
    marks = (
        element(
            "rect", tooltip(f"{at:.3f} s"), class_="hit", x=percent(at / seconds), y=4, width=3, height=LANE - 8, rx=1
        )
        for at in hits
    )
    return Lane(kind=kind, label=format_kind(kind), figure=_format_hit_count(len(hits)), picture=_draw_lane(marks))


def _draw_drum_lane(track: DrumTrack, settings: Settings, seconds: float) -> Lane:
    hits = len(track.notes)
    return Lane(
        kind=track.kind,
        label=format_kind(track.kind),
        figure=_format_hit_count(hits),
        picture=_draw_lane(_draw_hits(track, settings, seconds)),
    )


def _format_hit_count(hits: int) -> str:
    return f"{hits} hit{'' if hits == 1 else 's'}"


def _draw_hits(track: DrumTrack, settings: Settings, seconds: float) -> Iterator[Markup]:
    """Draw every hit as high as its velocity, with a tail up to its end or to the next hit."""
    notes = sorted(track.notes, key=lambda note: note.tick)
    starts = [settings.onset(note.tick) for note in notes]
    ends = [settings.onset(end) for end in note_ends(notes, settings.grid)]
    for note, start, end in zip(notes, starts, ends, strict=True):
        duration = min(end - start, round(seconds * settings.sample_rate))
        height = max(2.0, note.velocity / 127 * (LANE - 4))
        position = {"x": percent(start / settings.frames), "y": LANE - 2 - height, "height": height}
        yield element(
            "g",
            tooltip(f"{start / settings.sample_rate:.3f} s, velocity {note.velocity}"),
            element("rect", class_="tail", width=percent(duration / settings.frames), **position),
            element("rect", class_="hit", width=3, rx=1, **position),
        )


def _draw_loop_lane(track: LoopTrack, settings: Settings) -> Lane:
    return Lane(
        kind=track.kind,
        label=format_kind(track.kind),
        figure=format_signed(track.semitones, "st", 0),
        picture=_draw_lane(_draw_bars(track, settings)),
    )


def _draw_bars(track: LoopTrack, settings: Settings) -> Iterator[Markup]:
    """Draw one bar per repetition, labelled with the name of the loop."""
    period = max(track.period_frames, 1)
    description = (
        f"{track.asset}, {period / settings.sample_rate:.2f} s, {format_signed(track.semitones, 'semitones', 0)}"
    )
    name = track.asset.partition("/")[2] or track.asset  # the label of the lane states the kind
    for start in range(0, settings.frames, period):
        share = min(period, settings.frames - start) / settings.frames
        yield element(
            "svg",
            tooltip(description),
            element("rect", class_="loop", y=3, width="100%", height=LANE - 6, rx=3),
            element("text", name, x=8, y=17),
            x=percent(start / settings.frames),
            width=percent(max(share - GAP, GAP)),
            height=LANE,
        )


def _draw_lane(marks: Iterable[Markup]) -> Markup:
    return element("svg", *marks, class_="lane", width="100%", height=LANE)
