"""The page of an extraction: each window of the song with its candidates, in one self-contained file.

It shares players, pictures, templates and styles with the preview page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline import __version__
from rmod_pipeline.audio import to_pcm
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.output import HINT_FILE_EXISTS
from rmod_pipeline.extraction.results import (
    Candidate,
    Extraction,
    GeneratedCandidate,
    InstrumentExtraction,
    PickedCandidate,
    Window,
)
from rmod_pipeline.pages.generated import generator_tag
from rmod_pipeline.pages.preview import DRUM_COLOURS, NO_COLOUR, page_template, pianoroll, pictures, sounds
from rmod_pipeline.pages.preview.formatting import format_kind, format_level, format_number
from rmod_pipeline.pages.preview.players import Player, PlayerGroup, make_full_player, make_player_group
from rmod_pipeline.pages.preview.sounds import PageSound, PageSoundGroup
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

PAGE = "listen.html"

GENERATOR_TAG = generator_tag("extract")
"""A tag in the head of every page that rmod writes, which identifies the page as rmod's."""

__all__ = ["PAGE", "check_page", "extraction_html", "write_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowView:
    """A window as the page shows it, with the field names of PairView that the shared templates use."""

    key: str
    summary: tuple[tuple[str, str], ...]
    mix: Player
    mel: str
    frequency_labels: tuple[tuple[str, float], ...]
    lanes: tuple[pianoroll.Lane, ...]
    groups: tuple[PlayerGroup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentView:
    """An instrument as the page shows it."""

    kind: str
    title: str
    note: str
    windows: tuple[WindowView, ...]
    """The window of the best candidate first."""


def check_page(out: Path) -> None:
    """Raise DoseError if the page would replace a file that rmod did not write."""
    page = out / PAGE
    try:
        is_free = not page.exists() or GENERATOR_TAG.encode() in page.read_bytes()
    except OSError:  # a folder
        is_free = False
    if not is_free:
        raise DoseError(page, "already exists and is not a page of rmod", HINT_FILE_EXISTS)


def write_page(extraction: Extraction, out: Path) -> Path:
    """Write the page atomically into a folder of results and return its path.

    Raises DoseError if the page cannot be written, or if it would replace a file that rmod did not write.
    """
    check_page(out)
    with report_unwritable(out / PAGE, kind=DoseError):
        publish_bytes(extraction_html(extraction).encode(), out / PAGE, out)
    return out / PAGE


def extraction_html(extraction: Extraction) -> str:
    """Return the HTML of the page; the same extraction gives the same bytes."""
    colours = {
        extracted.instrument: f"c{number % DRUM_COLOURS}" for number, extracted in enumerate(extraction.instruments)
    }
    return page_template("rmod_pipeline.pages.extraction", "extraction.html.j2").render(
        title=Path(extraction.about).name,
        notes=extraction.notes,
        facts=tuple(_facts(extraction)),
        instruments=[_make_instrument(extracted, extraction.sample_rate) for extracted in extraction.instruments],
        colours=colours,
        no_colour=NO_COLOUR,
        window_format=sounds.compressed_format(),
        version=__version__,
        generator_tag=GENERATOR_TAG,
    )


def _facts(extraction: Extraction) -> Iterator[tuple[str, str]]:
    """Yield the facts in the heading of the page: label and value."""
    yield "length", format_time(extraction.seconds)
    generated = any(extracted.generated for extracted in extraction.instruments)
    picked = any(extracted.picked for extracted in extraction.instruments)
    yield "answers", " and ".join(word for word, any_is in (("generated", generated), ("picked", picked)) if any_is)
    ears = dict.fromkeys(str(extracted.ear["file"]) for extracted in extraction.instruments if extracted.ear)
    if ears:
        yield "ear", ", ".join(ears)
    if extraction.codec is not None:
        yield from _generation_facts(extraction, extraction.codec.name)


def _generation_facts(extraction: Extraction, codec: str) -> Iterator[tuple[str, str]]:
    """Yield the facts about generated candidates."""
    config = extraction.config
    models = [str(extracted.checkpoint["file"]) for extracted in extraction.instruments if extracted.checkpoint]
    yield "codec", codec
    yield "models", ", ".join(dict.fromkeys(models))
    yield "tries per window", f"1 greedy, {config.tries} sampled" if config.tries else "1 greedy"
    if config.tries:
        yield "temperature", format_number(config.temperature)
        yield "top p", format_number(config.top_p)
        yield "seed", str(config.seed)


def _make_instrument(extracted: InstrumentExtraction, sample_rate: int) -> InstrumentView:
    best_first = dict.fromkeys(candidate.window for candidate in extracted.candidates)
    best = extracted.best
    time = format_time(extracted.windows[best.window].seconds)
    note = f"best: {describe_answer(best)} in the window at {time}"
    if not extracted.has_hits:
        note = f"no hit was found, so this is a guess; {note}"
    return InstrumentView(
        kind=extracted.instrument,
        title=format_kind(extracted.instrument),
        note="every candidate is silent" if best.silent else note,
        windows=tuple(_make_window(extracted, index, sample_rate) for index in best_first),
    )


def _make_window(extracted: InstrumentExtraction, index: int, sample_rate: int) -> WindowView:
    window = extracted.windows[index]
    audio = window.audio[None]
    name = f"{format_kind(extracted.instrument)} at {format_time(window.seconds)}"
    page_sounds = tuple(
        _make_sound(rank, candidate, extracted.instrument, sample_rate)
        for rank, candidate in enumerate(extracted.candidates, 1)
        if candidate.window == index
    )
    seconds = window.audio.size / sample_rate
    return WindowView(
        key=name,
        summary=tuple(_make_summary(window)),
        mix=make_full_player("song", audio, sample_rate),
        mel=pictures.draw_mel_spectrogram(audio, sample_rate),
        frequency_labels=pictures.mel_frequency_labels(sample_rate),
        lanes=(pianoroll.draw_hit_lane(extracted.instrument, window.hits, seconds),),
        groups=(make_player_group(PageSoundGroup(title="Candidates, best first", sounds=page_sounds), name),),
    )


def _make_summary(window: Window) -> Iterator[tuple[str, str]]:
    if window.clarity_db is not None:
        yield "clarity", format_level(window.clarity_db)


def _make_sound(rank: int, candidate: Candidate, kind: str, sample_rate: int) -> PageSound:
    data, mime = sounds.encode_flac(to_pcm(candidate.audio[None]), sample_rate)
    return PageSound(
        label="best" if rank == 1 else f"{rank}",
        data=data,
        mime=mime,
        kind=kind,
        caption=", ".join(_caption_parts(candidate)),
    )


def _caption_parts(candidate: Candidate) -> Iterator[str]:
    if isinstance(candidate, PickedCandidate):
        yield " and ".join(dict.fromkeys(asset.licence or "unknown licence" for asset in candidate.assets))
        yield candidate.asset.id
    else:
        yield describe_answer(candidate)
    if candidate.silent:
        yield "silent"
        return
    if isinstance(candidate, GeneratedCandidate):
        yield from _generated_parts(candidate)
    if isinstance(candidate, PickedCandidate):
        yield from _picked_parts(candidate)
    if candidate.unlikeness is not None:
        yield f"unlike what was heard by {format_number(candidate.unlikeness)}"
    if candidate.apart is not None:
        yield f"{format_number(candidate.apart)} from the mean of the tries"


def _generated_parts(candidate: GeneratedCandidate) -> Iterator[str]:
    if candidate.misfit_db is not None:
        yield f"misfit {format_level(candidate.misfit_db)}"
    yield f"log-probability {format_number(candidate.log_probability)}"


def _picked_parts(candidate: PickedCandidate) -> Iterator[str]:
    for layer in candidate.layers:
        yield f"with {layer.asset.id} ({layer.share:.0%})"
    varied = candidate.variation.in_words()
    if varied:
        yield varied


def describe_answer(candidate: Candidate) -> str:
    """Return in a few words what a candidate is: a try of a model, or the known sound that was picked."""
    if isinstance(candidate, PickedCandidate):
        return f"picked: {' + '.join(asset.id for asset in candidate.assets)}"
    assert isinstance(candidate, GeneratedCandidate)
    return "the greedy try" if candidate.try_index == 0 else f"try {candidate.try_index}"


def format_time(seconds: float) -> str:
    """Format a time in a song as 0:12.50 or 1:02:03.00."""
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    text = f"{minutes % 60:02d}:{rest / 100:05.2f}" if minutes >= 60 else f"{minutes}:{rest / 100:05.2f}"
    return f"{minutes // 60}:{text}" if minutes >= 60 else text
