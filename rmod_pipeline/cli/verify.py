"""`rmod verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import DataArgument
from rmod_pipeline.errors import quote

MOST_FINDINGS = 100
MOST_SHOWN = 20

if TYPE_CHECKING:
    from rmod_pipeline.inspection.findings import VerifyReport
    from rmod_pipeline.inspection.full_check import Verification
    from rmod_pipeline.storage import Location


def verify(
    out: DataArgument,
    rerender: Annotated[
        int, typer.Option(min=0, metavar="K", help="Number of pairs to render again and compare bit by bit.")
    ] = 0,
    compare: Annotated[
        int,
        typer.Option(min=0, metavar="N", help="Pairs per split whose one-shots are compared across splits by sound."),
    ] = 200,
    library: Annotated[
        str | None,
        typer.Option(metavar="NAME.csv", help="The manifest for --rerender. Default: where it lay at the build."),
    ] = None,
    grooves: Annotated[
        str | None,
        typer.Option(
            metavar="GROOVES.csv", help="The manifest of grooves for --rerender. Default: where it lay at the build."
        ),
    ] = None,
) -> None:
    """Check that a data set is what it says: checksums, tars, index, and no sound in two splits.

    The one-shots themselves are compared across splits by sound too, up to 200 pairs per split (--compare): two files
    with different names may hold one sound.

    With --rerender K, K pairs spread over the data set are rendered again from the JSON beside them. With the same
    versions and processor family they must be the same bytes, and so must the features computed from them. Elsewhere
    they may differ by a bound, which is printed.

    Exits with 1 if anything is found.

    Examples:

        rmod verify OUT

        rmod verify OUT --rerender 20 --library lib.csv
    """
    from rmod_pipeline import api

    result = api.verify(out, rerender=rerender, compare=compare, library=library, grooves=grooves)
    _print_report(out, result.report)
    _print_leaks(result)
    if result.rerendered:
        _print_rerendered(result)
    if not result.ok:
        raise typer.Exit(1)


def _print_report(out: Location, report: VerifyReport) -> None:
    from rmod_pipeline.storage import is_address

    counted = f"{report.shards} shards, {report.pairs} pairs, {report.rejects} rejects, {report.sources} sounds"
    counted += "".join(f", {pairs} pairs as tokens of {name}" for name, pairs in report.tokens.items())
    counted += "".join(f", {pairs} pairs as features {name}" for name, pairs in report.features.items())
    if not report.findings:
        typer.echo(f"{out}: {counted}: everything agrees with its receipts, and no sound is in two splits.")
        return
    typer.secho(f"{out}: {counted}: {len(report.findings)} finding(s)", fg=typer.colors.RED)
    for finding in report.findings[:MOST_FINDINGS]:
        typer.echo(f"  {finding}")
    if len(report.findings) > MOST_FINDINGS:
        typer.echo(f"  and {len(report.findings) - MOST_FINDINGS} more")
    if report.damaged:
        typer.echo("To rebuild the damaged shards, remove their receipts and give the build command again:")
        shown = " ".join(quote(out / path) for path in report.damaged[:MOST_SHOWN])
        more = f"   # and {len(report.damaged) - MOST_SHOWN} more" if len(report.damaged) > MOST_SHOWN else ""
        typer.echo(f"  {shown}{more}" if is_address(out) else f"  rm {shown}{more}")


def _print_leaks(result: Verification) -> None:
    for leak in result.leaks:
        typer.secho(f"  {leak}", fg=typer.colors.RED)
    if result.compared:
        pairs = f"{result.compared} of {len(result.report.keys)} pairs"
        typer.echo(f"{pairs}' one-shots compared by sound: {len(result.leaks)} in two splits.")


def _print_rerendered(result: Verification) -> None:
    from rmod_pipeline.inspection.rerender import BOUND_DB

    for findings in result.differing.values():
        for finding in findings:
            typer.secho(f"  {finding}", fg=typer.colors.RED)
    promise = "bit by bit" if result.exact else f"to within {BOUND_DB:g} dB (other versions or another processor)"
    same = result.rerendered - len(result.differing)
    typer.echo(f"{result.rerendered} pairs rendered again: {same} the same {promise}, {len(result.differing)} not.")
    if result.recomposed:
        typer.echo("Their specs were composed again too, from recipe, library and seed.")
    else:
        typer.echo("The library or the grooves are not those of the build: the specs could not be composed again.")
