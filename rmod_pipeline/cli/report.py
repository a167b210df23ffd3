"""`rmod report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.shared.options import DataArgument, OpenFlag
from rmod_pipeline.storage import parse_local_path


def report(
    out: DataArgument,
    *,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            parser=parse_local_path,
            help="The page to write, with a .json beside it. Default: OUT-report.html beside OUT.",
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Number of pairs whose sound, spec and tokens are read.")
    ] = 500,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            parser=parse_local_path,
            help="Thresholds in place of those in recipes/report/default.yaml, key by key.",
        ),
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(metavar="LIBRARY", help="The library of the build: compare its files across splits by sound."),
    ] = None,
    show: OpenFlag = False,
) -> None:
    """Measure a finished data set, and say which thresholds it breaks: a page, a JSON file, an exit code.

    The report compares all random values with the recipe, and looks for clipping, silence and offset, equal files,
    sounds that are in two splits, uneven use of sounds and of codebooks. Its page plays the most unusual pairs. It
    reads the whole index, and the sound of a sample, which follows from build.json: the same data set gives the same
    report.

    Exits with 1 if a threshold is broken.

    Examples:

        rmod report OUT --open

        rmod report OUT --sample 2000 --thresholds mine.yaml --library samples/library.csv
    """
    from rmod_pipeline import api

    written = api.report(out, page=page, sample=sample, thresholds=thresholds, library=library)
    measured = written.report
    pairs, read = sum(measured.pairs.values()), sum(measured.sample.pairs.values())
    typer.echo(f"{out}: {pairs:,} pairs in the index, {read:,} in the sample, {len(measured.draws)} draws compared.")
    for sentence in measured.not_checked:
        typer.echo(f"  not looked at: {sentence}")
    for finding in measured.findings:
        typer.secho(f"  {finding}", fg=typer.colors.RED)
    verdict = "no threshold is broken" if measured.ok else f"{len(measured.findings)} finding(s)"
    typer.echo(f"{verdict}; the page is {written.page}, the numbers are in {written.json.name}")
    if show:
        typer.launch(written.page.resolve().as_uri())
    if not measured.ok:
        raise typer.Exit(1)
