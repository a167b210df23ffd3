"""`rmod extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import OpenFlag, PlainDeviceOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.api import Extraction

WINDOWS, TRIES, PICKS = "Windows of the song", "Candidates of a model", "Picked sounds"


def extract(
    song: Annotated[
        Path,
        typer.Argument(metavar="SONG", parser=parse_local_path, help="A WAV, FLAC, AIFF, OGG or MP3 file."),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", parser=parse_local_path, help="The folder for the sounds.")],
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR|FILE",
            parser=parse_local_path,
            help="A DOSE model such as kick.pth, or a folder of them. Default: none; known sounds are picked.",
            show_default=False,
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(("generated", "picked", "both")),
            help="Sounds that the model generates, known ones, or both. Default: both with --checkpoint, where the ear "
            "hears the drum; picked without it.",
            show_default=False,
        ),
    ] = None,
    library: Annotated[
        str,
        typer.Option(metavar="LIBRARY", help="What to pick from: `builtin`, a manifest, or a folder of sounds."),
    ] = "builtin",
    instrument: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable. Default: all that the models extract, or the ear hears."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The models' codec, or its weights. Default: the one that they name."),
    ] = None,
    ear: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_local_path,
            help="An ear that `rmod train ear` trained. Default: the one that rmod ships.",
            show_default=False,
        ),
    ] = None,
    device: PlainDeviceOption = "auto",
    windows: Annotated[
        int,
        typer.Option(metavar="N", help="Windows per drum.", rich_help_panel=WINDOWS),
    ] = 3,
    at: Annotated[
        list[float] | None,
        typer.Option(
            metavar="SECONDS",
            help="Use the 4 s from here on instead; may be given several times.",
            rich_help_panel=WINDOWS,
        ),
    ] = None,
    tries: Annotated[
        int,
        typer.Option(metavar="N", help="Sampled candidates per window, beside the greedy one.", rich_help_panel=TRIES),
    ] = 4,
    temperature: Annotated[float, typer.Option(metavar="X", help="Sampling temperature.", rich_help_panel=TRIES)] = 0.8,
    top_p: Annotated[
        float,
        typer.Option(
            metavar="X",
            help="Sample among the likeliest tokens with this total.",
            rich_help_panel=TRIES,
        ),
    ] = 0.9,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the candidates.", rich_help_panel=TRIES)] = 0,
    batch: Annotated[int, typer.Option(metavar="N", help="Candidates generated at once.", rich_help_panel=TRIES)] = 8,
    picks: Annotated[int, typer.Option(metavar="N", help="Known sounds per drum.", rich_help_panel=PICKS)] = 3,
    layers: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Known sounds that may be mixed in one pick, 1 to 3; 1 keeps single sounds.",
            rich_help_panel=PICKS,
        ),
    ] = 3,
    trim: Annotated[bool, typer.Option("--trim/--no-trim", help="Cut the silence at a sound's end.")] = True,
    normalize: Annotated[
        bool, typer.Option("--normalize/--no-normalize", help="Normalise a sound's peak to -1 dBFS.")
    ] = True,
    show: OpenFlag = False,
) -> None:
    """Extract the dry drum sounds of a song: kick.wav, snare.wav, hihat.wav.

    The ear, a small network, hears where each drum is hit and what its dry sound is like. Without --checkpoint the
    command picks the likeliest sounds of a library, mixes them where that brings them nearer, and varies them in speed,
    decay and tone where that helps. With --checkpoint a DOSE model generates candidates from 4 s of audio too. The best
    of all becomes kick.wav; the others go to DIR/candidates. extraction.json says where each comes from, with the
    licences of picked sounds, and listen.html plays them all beside their windows. The same command gives the same
    bytes. An earlier extraction in DIR is replaced; a file of anything else is never overwritten.

    Examples:

        rmod extract song.mp3 --out drums --open

        rmod extract song.mp3 --out drums --library samples/library.csv --picks 8

        rmod extract song.wav --checkpoint models/kick.pth --out drums --at 12.5 --at 61 --tries 16
    """
    from rmod_pipeline import api
    from rmod_pipeline.extraction.output import sound_name
    from rmod_pipeline.extraction.results import AUTO
    from rmod_pipeline.pages.extraction import PAGE

    config = api.ExtractionConfig(
        answer=answer or AUTO,
        windows=windows,
        at=tuple(at or ()),
        tries=tries,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        batch=batch,
        picks=picks,
        layers=layers,
        trim=trim,
        normalize=normalize,
    )
    extraction = api.extract(
        song, checkpoint=checkpoint, out=out, instruments=instrument or (), library=library, ear=ear, codec=codec,
        device=device, config=config,
    )  # fmt: skip
    best = {each.instrument: out / sound_name(each.instrument, 1) for each in extraction.instruments}
    _print_extraction(extraction, best)
    typer.echo(f"{out / PAGE}: all candidates, to listen to")
    if show:
        typer.launch((out / PAGE).resolve().as_uri())


def _print_extraction(extraction: Extraction, best: dict[str, Path]) -> None:
    from rmod_pipeline.pages.extraction import describe_answer

    for note in extraction.notes:
        typer.secho(note, fg=typer.colors.YELLOW, err=True)
    for extracted in extraction.instruments:
        path, candidate = best[extracted.instrument], extracted.best
        if candidate.silent:
            message = f"{path}: silent, as all {len(extracted.candidates)} candidates are"
            typer.secho(message, fg=typer.colors.YELLOW, err=True)
            continue
        start = extracted.windows[candidate.window].seconds
        typer.echo(
            f"{path}: {candidate.audio.size / extraction.sample_rate:.2f} s, window at {start:.2f} s, "
            f"{describe_answer(candidate)}, best of {len(extracted.candidates)}"
            f"{'' if extracted.has_hits else '; a guess, because no hit was found'}"
        )
