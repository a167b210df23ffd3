"""`rmod library near`: the sounds of a library that sound like a given one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from rmod_pipeline.cli.shared.options import ClassifierOption, OpenFlag
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rmod_pipeline.curation.neighbours.index import RefusedSound

MOST_REFUSED = 5
"""Sounds that cannot be heard, listed at the end."""

NEAR_HELP = """List the sounds of a library that are most similar to a sound, by ear.

The classifier that comes with rmod turns every sound into a vector; similar sounds have similar vectors. 1 is equal.
At most the first three seconds of a sound are heard, from its onset on; its level does not count. The sound itself is
left out if the library has the same file. The vectors of a library are computed once, in worker processes, and kept in
the cache by the content of the files; a command that was stopped goes on where it was.

Exits with 1 if sounds of the library could not be heard; they are named.

Examples:

    rmod library near kick.wav --library samples/library.csv

    rmod library near a.wav b.wav --library samples --kind snare --count 20 --page near.html --open

    rmod library near kick.wav --library samples --format csv > near.csv
"""


def near(
    sounds: Annotated[
        list[Path], typer.Argument(metavar="SOUND", parser=parse_local_path, help="Audio files of any length.")
    ],
    *,
    library: Annotated[
        str,
        typer.Option(metavar="LIBRARY", help="`builtin`, a manifest, or a folder of sounds, which is scanned first."),
    ] = "builtin",
    count: Annotated[int, typer.Option(min=1, metavar="N", help="Number of sounds to list.")] = 10,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only sounds of this kind, such as snare.")] = "",
    include_itself: Annotated[
        bool, typer.Option("--include-itself", help="List the sound itself too, if the library has it.")
    ] = False,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", metavar="table|csv|json", help="What is printed.")
    ] = "table",
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", parser=parse_local_path, help="A page to listen to."),
    ] = None,
    model: ClassifierOption = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    show: OpenFlag = False,
) -> None:
    """List the nearest sounds of a library."""
    from rmod_pipeline import api
    from rmod_pipeline.curation.neighbours.formats import format_neighbours

    found = api.find_similar(
        sounds,
        library,
        count=count,
        kind=kind,
        include_itself=include_itself,
        page=page,
        model=model,
        workers=workers,
    )
    for result in found.results:
        if result.question.is_cut:
            question = result.question
            typer.echo(f"{question.path}: {question.seconds:.1f} s long; only the first 3 s are heard", err=True)
    typer.echo(format_neighbours(found.results, found.library, form), nl=False)
    if page:
        typer.echo(f"{page}: {page.stat().st_size / 1e6:.1f} MB", err=True)
        if show:
            typer.launch(page.resolve().as_uri())
    report_refused(found.refused)


def report_refused(refused: Sequence[RefusedSound]) -> None:
    """Name sounds of a library that could not be heard, and exit with 1 if there are any."""
    for sound in refused[:MOST_REFUSED]:
        typer.echo(f"left out: {sound.asset.path}: {sound.reason}", err=True)
    if len(refused) > MOST_REFUSED:
        typer.echo(f"left out: {len(refused) - MOST_REFUSED:,} more", err=True)
    if refused:
        raise typer.Exit(1)
