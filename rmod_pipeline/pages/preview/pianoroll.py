"""The piano roll: a lane for each drum with its hits, a bar for each loop.

Places across are shares of the mixture in percent, so that a lane stretches with the page and its marks do not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from rmod_pipeline.pages.preview.svg import element, percent, title
from rmod_pipeline.pages.preview.words import kind_words, signed
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Settings

LANE = 26
"""Height of a lane in pixels."""
GAP = 0.0025
"""Share of the mixture left free after a bar, so that a repeated loop is seen to repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One row of the roll."""

    kind: str
    label: str
    figure: str
    picture: Markup


def lanes(spec: PairSpec, lengths: Mapping[str, float]) -> tuple[Lane, ...]:
    """Return a lane for every track; ``lengths`` are the seconds of each drum's one-shot, where known."""
    drums = (_drum_lane(track, spec.settings, lengths.get(track.kind, 0.0)) for track in spec.drums)
    loops = (_loop_lane(track, spec.settings) for track in spec.loops)
    return (*drums, *loops)


def hit_lane(kind: str, hits: Sequence[float], seconds: float) -> Lane:
    """Return a lane of hits alone, in seconds of a sound of so many, where nothing else is known of them."""
    marks = (
        element(
            "rect", title(f"{at:.3f} s"), class_="hit", x=percent(at / seconds), y=4, width=3, height=LANE - 8, rx=1
        )
        for at in hits
    )
    return Lane(kind=kind, label=kind_words(kind), figure=_count(len(hits)), picture=_lane(marks))


def _drum_lane(track: DrumTrack, settings: Settings, seconds: float) -> Lane:
    hits = len(track.notes)
    return Lane(
        kind=track.kind,
        label=kind_words(track.kind),
        figure=_count(hits),
        picture=_lane(_hits(track, settings, seconds)),
    )


def _count(hits: int) -> str:
    return f"{hits} hit{'' if hits == 1 else 's'}"


def _hits(track: DrumTrack, settings: Settings, seconds: float) -> Iterator[Markup]:
    """Draw every hit as a stem as high as its velocity, with a tail as long as it sounds: the next hit cuts it."""
    notes = sorted(track.notes, key=lambda note: note.tick)
    starts = [settings.onset(note.tick) for note in notes]
    ends = [*starts[1:], settings.frames]
    for note, start, end in zip(notes, starts, ends, strict=True):
        sounding = min(end - start, round(seconds * settings.sample_rate))
        height = max(2.0, note.velocity / 127 * (LANE - 4))
        place = {"x": percent(start / settings.frames), "y": LANE - 2 - height, "height": height}
        yield element(
            "g",
            title(f"{start / settings.sample_rate:.3f} s, velocity {note.velocity}"),
            element("rect", class_="tail", width=percent(sounding / settings.frames), **place),
            element("rect", class_="hit", width=3, rx=1, **place),
        )


def _loop_lane(track: LoopTrack, settings: Settings) -> Lane:
    return Lane(
        kind=track.kind,
        label=kind_words(track.kind),
        figure=signed(track.semitones, "st", 0),
        picture=_lane(_bars(track, settings)),
    )


def _bars(track: LoopTrack, settings: Settings) -> Iterator[Markup]:
    """Draw a bar for every repetition, with the name of the loop in it."""
    period = max(track.period_frames, 1)
    says = f"{track.asset}, {period / settings.sample_rate:.2f} s, {signed(track.semitones, 'semitones', 0)}"
    name = track.asset.partition("/")[2] or track.asset  # the lane says the kind already
    for start in range(0, settings.frames, period):
        share = min(period, settings.frames - start) / settings.frames
        yield element(
            "svg",
            title(says),
            element("rect", class_="loop", y=3, width="100%", height=LANE - 6, rx=3),
            element("text", name, x=8, y=17),
            x=percent(start / settings.frames),
            width=percent(max(share - GAP, GAP)),
            height=LANE,
        )


def _lane(marks: Iterable[Markup]) -> Markup:
    return element("svg", *marks, class_="lane", width="100%", height=LANE)
