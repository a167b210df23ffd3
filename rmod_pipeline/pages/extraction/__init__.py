"""The listening page of an extraction: each window of the song beside what was made of it, one self-contained file.

Made of the parts of the preview page: its players, pictures and sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline import __version__
from rmod_pipeline.audio import to_pcm
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.output import HINT_FILE_EXISTS
from rmod_pipeline.extraction.results import Candidate, Extraction, InstrumentExtraction, Window
from rmod_pipeline.pages.preview import DRUM_COLOURS, NO_COLOUR, pianoroll, pictures, sounds, words
from rmod_pipeline.pages.preview.pages import page_template
from rmod_pipeline.pages.preview.players import Player, PlayerGroup, player_group, whole_player
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.storage.publish import publish_bytes

PAGE = "listen.html"

MARK = '<meta name="generator" content="rmod extract">'
"""In the head of every page of ours: what tells it from somebody else's."""

__all__ = ["PAGE", "check_page", "extraction_html", "write_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """What the page says of a window; named as the preview's pairs are, because the same parts draw both."""

    key: str
    summary: tuple[tuple[str, str], ...]
    mix: Player
    mel: str
    marks: tuple[tuple[str, float], ...]
    lanes: tuple[pianoroll.Lane, ...]
    groups: tuple[PlayerGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentView:
    """What the page says of an instrument."""

    kind: str
    title: str
    note: str
    windows: tuple[WindowView, ...]
    """That of the best candidate first."""


def check_page(out: Path) -> None:
    """Raise DoseError if the page would replace a file that is none of ours."""
    page = out / PAGE
    try:
        ours = not page.exists() or MARK.encode() in page.read_bytes()
    except OSError:  # a folder
        ours = False
    if not ours:
        raise DoseError(page, "already exists and is not a page of rmod", HINT_FILE_EXISTS)


def write_page(extraction: Extraction, out: Path) -> Path:
    """Write the page into a folder of results and return its path. It appears whole or not at all.

    Raises DoseError, also before a page is replaced that is none of ours.
    """
    check_page(out)
    try:
        publish_bytes(extraction_html(extraction).encode(), out / PAGE, out)
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise DoseError(out / PAGE, found, "choose another --out") from error
    return out / PAGE


def extraction_html(extraction: Extraction) -> str:
    """Return the page as text: the same bytes for the same extraction."""
    colours = {each.instrument: f"c{place % DRUM_COLOURS}" for place, each in enumerate(extraction.instruments)}
    return page_template("rmod_pipeline.pages.extraction", "extraction.html.j2").render(
        title=Path(extraction.about).name,
        notes=extraction.notes,
        facts=tuple(_facts(extraction)),
        instruments=[_instrument(each, extraction.codec.sample_rate) for each in extraction.instruments],
        colours=colours,
        no_colour=NO_COLOUR,
        window_format=sounds.mix_format(),
        version=__version__,
        mark=MARK,
    )


def _facts(extraction: Extraction) -> Iterator[tuple[str, str]]:
    """Yield what holds for all of it: label and value."""
    asked = extraction.config
    yield "length", clock_time(extraction.seconds)
    yield "codec", extraction.codec.name
    yield "models", ", ".join(dict.fromkeys(str(each.checkpoint["file"]) for each in extraction.instruments))
    yield "tries a window", f"1 greedy, {asked.tries} sampled" if asked.tries else "1 greedy"
    if asked.tries:
        yield "temperature", words.number(asked.temperature)
        yield "top p", words.number(asked.top_p)
        yield "seed", str(asked.seed)


def _instrument(extracted: InstrumentExtraction, sample_rate: int) -> InstrumentView:
    best_first = dict.fromkeys(candidate.window for candidate in extracted.candidates)
    best = extracted.best
    where = clock_time(extracted.windows[best.window].seconds)
    note = f"best: {_try_words(best)} on the window at {where}"
    return InstrumentView(
        kind=extracted.instrument,
        title=words.kind_words(extracted.instrument),
        note="every candidate is silent" if best.silent else note,
        windows=tuple(_window(extracted, place, sample_rate) for place in best_first),
    )


def _window(extracted: InstrumentExtraction, place: int, sample_rate: int) -> WindowView:
    window = extracted.windows[place]
    audio = window.audio[None]
    name = f"{words.kind_words(extracted.instrument)} at {clock_time(window.seconds)}"
    ranked = [(rank, each) for rank, each in enumerate(extracted.candidates, 1) if each.window == place]
    made = tuple(_sound(rank, each, extracted.instrument, sample_rate) for rank, each in ranked)
    seconds = window.audio.size / sample_rate
    return WindowView(
        key=name,
        summary=tuple(_summary(window)),
        mix=whole_player("song", audio, sample_rate),
        mel=pictures.mel_picture(audio, sample_rate),
        marks=pictures.mel_marks(sample_rate),
        lanes=(pianoroll.hit_lane(extracted.instrument, window.hits, seconds),),
        groups=(player_group(PageSoundGroup(title="Candidates, the best first", sounds=made), name),),
    )


def _summary(window: Window) -> Iterator[tuple[str, str]]:
    if window.clarity_db is not None:
        yield "clarity", words.level(window.clarity_db)


def _sound(rank: int, candidate: Candidate, kind: str, sample_rate: int) -> PageSound:
    data, mime = sounds.lossless(to_pcm(candidate.audio[None]), sample_rate)
    return PageSound(
        label="best" if rank == 1 else f"{rank}",
        data=data,
        mime=mime,
        kind=kind,
        caption=", ".join(_caption(candidate)),
    )


def _caption(candidate: Candidate) -> Iterator[str]:
    yield _try_words(candidate)
    if candidate.silent:
        yield "silent"
        return
    if candidate.distance_from_mean is not None:
        yield f"{words.number(candidate.distance_from_mean)} from the others"
    if candidate.misfit_db is not None:
        yield f"misfit {words.level(candidate.misfit_db)}"
    yield f"log-probability {words.number(candidate.log_probability)}"


def _try_words(candidate: Candidate) -> str:
    return "the greedy try" if candidate.try_index == 0 else f"try {candidate.try_index}"


def clock_time(seconds: float) -> str:
    """Return a place in a song: 0:12.50, 1:02:03.00."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    text = f"{minutes % 60:02d}:{rest / 100:05.2f}" if minutes >= 60 else f"{minutes}:{rest / 100:05.2f}"
    return f"{minutes // 60}:{text}" if minutes >= 60 else text
