"""`rmod classify list`: a row per sound file, with its class."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import ClassifierOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmod_pipeline.api import ClassifyResult

LIST_HELP = """Tell by ear what kind of drum each sound is: a row per file, in a fixed order.

A row has the class, a part of it such as hihat/open, the calibrated confidence, the second guess and the length. At
most the first three seconds of a sound are heard, from its onset on. Files of more than 30 s are no one-shots. Answers
are kept in the cache by the content of the files, so a command that was stopped goes on where it was.

Below the calibrated confidence the classifier abstains: `?` in a table, an empty `kind` in CSV and JSON. A file that
cannot be classified gets a row with the reason and stops nothing; the command then exits with 1.

Examples:

    rmod classify list kicks/

    rmod classify list samples --out classes.csv

    rmod classify list samples --format json > classes.json
"""


def list_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", parser=parse_local_path, help="Sound files, and folders of them.")
    ],
    *,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="table|csv|json",
            help="Default: by the suffix of --out, else table.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=parse_local_path, help="A file for the list. Default: standard output."),
    ] = None,
    model: ClassifierOption = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Listen to unchanged files again too.")] = False,
) -> None:
    """List what kind of drum each sound is."""
    from rmod_pipeline import api

    result = api.classify(
        paths,
        model=model,
        out=out,
        form=form,  # type: ignore[arg-type]  # it is checked there
        on_text=None if out else _printer(),
        workers=workers,
        fresh=fresh,
    )
    typer.echo(describe_counts(result), err=True)
    if result.counts.unusable:
        raise typer.Exit(1)


def describe_counts(result: ClassifyResult) -> str:
    """Return in one line what a list holds."""
    counts = result.counts
    listed = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.kinds.items(), key=lambda item: -item[1]))
    parts = [f"{counts.kinds.total():,} sounds" + (f": {listed}" if listed else "")]
    if counts.unusable:
        parts.append(f"{counts.unusable:,} files could not be classified, see their reasons")
    if result.not_audio:
        parts.append(f"{result.not_audio:,} other files are not audio")
    text = "; ".join(parts)
    return f"{result.out}: {text}" if result.out else text


def _printer() -> Callable[[str], object]:
    """Return what prints rows.

    A progress bar on a terminal takes over ``sys.stdout``, so that what is printed appears above it. Rows that go to a
    file or a pipe must not go there.
    """
    before = sys.stdout

    def print_above_bar(text: str) -> object:
        return sys.stdout.write(text)

    return print_above_bar if before.isatty() else before.write
