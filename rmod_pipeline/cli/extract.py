"""`rmod extract`: the dry one-shots that are heard in a song."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rmod_pipeline.extraction.results import Extraction

PLACES, TRIES = "Where to listen", "Tries"


def extract(
    song: Annotated[Path, typer.Argument(metavar="SONG", help="WAV, FLAC, AIFF, OGG or MP3 of any length and rate.")],
    checkpoint: Annotated[
        Path, typer.Option(metavar="DIR|FILE", help="A model such as kick.pth, or a folder of them.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the sounds; made if missing.")],
    instrument: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this one; may be given several times. Default: all that can be."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The models' codec, or its weights; default: the one that they name."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda or cuda:1; auto takes a GPU if it can.")] = (
        "auto"
    ),
    windows: Annotated[
        int,
        typer.Option(metavar="N", help="Places of the song to listen to, for each drum.", rich_help_panel=PLACES),
    ] = 3,
    at: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SECONDS",
            help="Listen to the 4 s from here on instead; may be given several times.",
            rich_help_panel=PLACES,
        ),
    ] = None,
    tries: Annotated[
        int,
        typer.Option(metavar="N", help="Sampled candidates a window, beside the likeliest.", rich_help_panel=TRIES),
    ] = 4,
    temperature: Annotated[
        float, typer.Option(metavar="X", help="Below 1 more cautious, above more daring.", rich_help_panel=TRIES)
    ] = 0.8,
    top_p: Annotated[
        float,
        typer.Option(metavar="X", help="Sample among the likeliest with so much in sum.", rich_help_panel=TRIES),
    ] = 0.9,
    seed: Annotated[int, typer.Option(metavar="N", help="Other samples for each.", rich_help_panel=TRIES)] = 0,
    batch: Annotated[
        int, typer.Option(metavar="N", help="Candidates made at once: memory for speed.", rich_help_panel=TRIES)
    ] = 8,
    trim: Annotated[bool, typer.Option("--trim/--no-trim", help="Cut off the silence at a sound's end.")] = True,
    normalize: Annotated[
        bool, typer.Option("--normalize/--no-normalize", help="Bring a sound's peak to -1 dB of full scale.")
    ] = True,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
) -> None:
    """Take the dry drum sounds out of a song: kick.wav, snare.wav, hihat.wav.

    Finds where each drum is heard most clearly, lets a DOSE model hear 4 s there, in several tries, and keeps the one
    that is nearest to what they have in common. The others lie in DIR/candidates, extraction.json says where each
    comes from, and listen.html has them all beside what they were heard in. The same command gives the same bytes. An
    earlier extraction in DIR is replaced; any other file that would be is left, and said.

    Examples:

        rmod extract song.mp3 --checkpoint models --out drums --open

        rmod extract song.wav --checkpoint models/kick.pth --out drums --at 12.5 --at 61 --tries 16
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.extraction.output import check_extraction_folder, check_sounds, write_extraction
    from rmod_pipeline.extraction.results import ExtractionConfig
    from rmod_pipeline.extraction.song import song_of_file
    from rmod_pipeline.pages.extraction import check_page, write_page

    asked = ExtractionConfig(
        windows=windows,
        at=tuple(at or ()),
        tries=tries,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        batch=batch,
        trim=trim,
        normalize=normalize,
    )
    check_extraction_folder(out)
    check_page(out)
    opened_song = song_of_file(song)
    need_torch(DoseError, "train")
    from rmod_pipeline.extraction.extract import extract_song
    from rmod_pipeline.extraction.extractor import open_extractors

    extractors, opened_codec = open_extractors(checkpoint, instrument or (), codec, device)
    check_sounds(out, [each.instrument for each in extractors], asked)
    with _bar() as on_step:
        extraction = extract_song(opened_song, extractors, opened_codec, asked, on_step=on_step)
    best = write_extraction(extraction, out)
    page = write_page(extraction, out)
    _tell(extraction, best)
    typer.echo(f"{page}: all of them, to listen to")
    if show:
        typer.launch(page.resolve().as_uri())


@contextmanager
def _bar() -> Iterator[Callable[[str, float, float], None]]:
    """Give a function that draws what is being done, with rate and time left, while somebody looks on."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from rmod_pipeline.extraction.extract import EXTRACTING

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks = {}

        def on_step(what: str, done: float, total: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total, pace="")
            speed = bar.tasks[tasks[what]].speed
            unit = "candidates" if what == EXTRACTING else "s of song"
            pace = f"{done:.0f}/{total:.0f} {unit}" + (f", {speed:.1f}/s" if speed else "")
            bar.update(tasks[what], completed=done, total=total, pace=pace)

        yield on_step


def _tell(extraction: Extraction, best: dict[str, Path]) -> None:
    for note in extraction.notes:
        typer.secho(note, fg=typer.colors.YELLOW, err=True)
    for extracted in extraction.instruments:
        path, candidate = best[extracted.instrument], extracted.best
        if candidate.silent:
            found = f"{path}: silent, as all {len(extracted.candidates)} candidates are"
            typer.secho(found, fg=typer.colors.YELLOW, err=True)
            continue
        seconds = extracted.windows[candidate.window].seconds
        typer.echo(
            f"{path}: {candidate.audio.size / extraction.codec.sample_rate:.2f} s, heard at {seconds:.2f} s, "
            f"{'greedy' if candidate.number == 0 else f'try {candidate.number}'} "
            f"(log-probability {candidate.log_probability:.2f}), best of {len(extracted.candidates)}"
        )
