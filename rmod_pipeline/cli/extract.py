"""`rmod extract`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import OpenFlag, PlainDeviceOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.api import Extraction

WINDOWS, TRIES = "Windows of the song", "Candidates"


def extract(
    song: Annotated[
        Path,
        typer.Argument(metavar="SONG", parser=parse_local_path, help="A WAV, FLAC, AIFF, OGG or MP3 file."),
    ],
    checkpoint: Annotated[
        Path,
        typer.Option(
            metavar="DIR|FILE", parser=parse_local_path, help="A model such as kick.pth, or a folder of them."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", parser=parse_local_path, help="The folder for the sounds.")],
    instrument: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Repeatable. Default: all that the models extract."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The models' codec, or its weights. Default: the one that they name."),
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
    trim: Annotated[bool, typer.Option("--trim/--no-trim", help="Cut the silence at a sound's end.")] = True,
    normalize: Annotated[
        bool, typer.Option("--normalize/--no-normalize", help="Normalise a sound's peak to -1 dBFS.")
    ] = True,
    show: OpenFlag = False,
) -> None:
    """Extract the dry drum sounds of a song: kick.wav, snare.wav, hihat.wav.

    The command finds where each drum is heard most clearly, gives a DOSE model 4 s of audio from there, generates
    several candidates, and keeps the one nearest to what they have in common. The others go to DIR/candidates.
    extraction.json says where each comes from, and listen.html plays them all beside their windows. The same command
    gives the same bytes. An earlier extraction in DIR is replaced; a file of anything else is never overwritten.

    Examples:

        rmod extract song.mp3 --checkpoint models --out drums --open

        rmod extract song.wav --checkpoint models/kick.pth --out drums --at 12.5 --at 61 --tries 16
    """
    from rmod_pipeline import api
    from rmod_pipeline.extraction.output import sound_name
    from rmod_pipeline.pages.extraction import PAGE

    config = api.ExtractionConfig(
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
    extraction = api.extract(
        song, checkpoint=checkpoint, out=out, instruments=instrument or (), codec=codec, device=device, config=config
    )
    best = {each.instrument: out / sound_name(each.instrument, 1) for each in extraction.instruments}
    _print_extraction(extraction, best)
    typer.echo(f"{out / PAGE}: all candidates, to listen to")
    if show:
        typer.launch((out / PAGE).resolve().as_uri())


def _print_extraction(extraction: Extraction, best: dict[str, Path]) -> None:
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
            f"{path}: {candidate.audio.size / extraction.codec.sample_rate:.2f} s, window at {start:.2f} s, "
            f"{'greedy' if candidate.try_index == 0 else f'try {candidate.try_index}'} "
            f"(log-probability {candidate.log_probability:.2f}), best of {len(extracted.candidates)}"
        )
