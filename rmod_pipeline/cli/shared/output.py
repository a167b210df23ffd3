"""What the commands that make shards print when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from rmod_pipeline.errors import quote

if TYPE_CHECKING:
    from rmod_pipeline.api import BuildResult
    from rmod_pipeline.pipeline.run import BuildSummary
    from rmod_pipeline.storage import Location

MOST_SHOWN = 20
"""Failed shards listed at the end."""


def print_summary(summary: BuildSummary, where: Location, verb: str) -> None:
    """Print what the folder holds, family by family if there are several, and what this run did."""
    from rmod_pipeline.pipeline.jobs.disk_space import format_bytes

    counted = ", ".join(f"{count} {split}" for split, count in summary.pairs.items()) or "no pairs"
    sizes = [f"{family} {format_bytes(size)}" for family, size in summary.bytes_by_family.items()]
    listed = f": {', '.join(sizes)}" if len(sizes) > 1 else ""
    typer.echo(f"{where}: {counted}; {format_bytes(summary.bytes)}{listed}.")
    if summary.made:
        rate = summary.made / summary.seconds
        typer.echo(f"{verb} {summary.made} pairs in {summary.seconds:.1f} s, {rate:.1f} pairs/s.")
    elif not summary.failures:
        typer.echo("Nothing to do: everything exists already.")
    if summary.rejects:
        reasons = ", ".join(f"{reason} {count}" for reason, count in summary.rejects.items())
        typer.echo(f"Rejected and drawn again: {reasons}.")
    if summary.absent:
        typer.echo(f"{summary.absent} keys stay absent: all their attempts were rejected, see the index.")
    waits = summary.waits
    if waits.encoders:
        workers = f"workers {share(waits.for_encoders, waits.workers)} for encoders"
        encoders = f"encoders {share(waits.for_workers, waits.encoders)} for workers"
        typer.echo(f"Wait times: {workers}, {encoders}.")


def share(part: float, whole: float) -> str:
    """Return ``12.3 s of 100.0 s (12%)``."""
    return f"{part:.1f} s of {whole:.1f} s ({part / whole:.0%})" if whole else f"{part:.1f} s"


def print_precision(result: BuildResult) -> None:
    """Print what a precision below fp32 changed."""
    if result.unlike_fp32 is not None:
        differing, mixtures = result.unlike_fp32
        typer.echo(f"{result.precision}: {differing:.2%} of the tokens of {mixtures} mixtures differ from fp32's.")


def print_failures(summary: BuildSummary, out: Location) -> None:
    """Print which shards failed, and why."""
    typer.secho(f"{len(summary.failures)} shard(s) failed:", fg=typer.colors.RED, err=True)
    for failure in summary.failures[:MOST_SHOWN]:
        at = f" at {failure.key}" if failure.key else ""
        typer.echo(f"  {failure.shard}{at}: {failure.cause}", err=True)
    if len(summary.failures) > MOST_SHOWN:
        typer.echo(f"  and {len(summary.failures) - MOST_SHOWN} more: rmod status {quote(out)}", err=True)
    typer.echo("Mend the cause above and give the same command again: what is missing is made.", err=True)
