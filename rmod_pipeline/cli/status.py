"""`rmod status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.options import Out

if TYPE_CHECKING:
    from rmod_pipeline.inspection.status import BuildStatus

MOST_SHOWN = 20


def status(
    out: Out,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say how far a build is: what is done, running and failed, how fast it goes and how long it will take.

    Told from the receipts and the log in OUT alone, so on any machine that sees it, during a build and after.
    Exits with 1 if there are shards whose last try failed.

    Examples:

        rmod status OUT

        rmod status s3://bucket/data --json
    """
    import json

    from rmod_pipeline.inspection.status import read_status

    found = read_status(out)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        _tell(found)
    if found.failed:
        raise typer.Exit(1)


def _tell(found: BuildStatus) -> None:
    from rmod_pipeline.cli.progress import time_in_words
    from rmod_pipeline.pipeline.jobs.disk_space import gigabytes

    for family in found.families:
        rejects = ", ".join(f"{reason} {count}" for reason, count in family.rejects.items())
        more = f"; rejected and drawn again: {rejects}" if rejects else ""
        more += f"; {family.absent} keys absent" if family.absent else ""
        typer.echo(
            f"{family.family}: {family.shards} of {found.shards} shards, {family.pairs} of {found.pairs} pairs, "
            f"{gigabytes(family.bytes)}{more}"
        )
    if found.pairs_per_second:
        left = "" if found.seconds_left is None else f", {time_in_words(found.seconds_left)} left"
        typer.echo(f"{found.pairs_per_second:.1f} pairs/s{left}")
    if found.running:
        typer.echo(f"running: {len(found.running)} shards, {_some(found.running)}")
    if found.failed:
        typer.secho(f"failed: {len(found.failed)} shards", fg=typer.colors.RED)
        for failed in found.failed[:MOST_SHOWN]:
            of = f" of {failed.family}" if failed.family else ""
            at = f" at {failed.key}" if failed.key else ""
            typer.echo(f"  {failed.shard}{of}{at}, {failed.time}: {failed.cause}")
        if len(found.failed) > MOST_SHOWN:
            typer.echo(f"  and {len(found.failed) - MOST_SHOWN} more: --json lists all")
        for tokens in sorted({failed.family for failed in found.failed}):
            again = "the build command with --retry-failed"
            if tokens:
                again = f"the `rmod encode` command that was to make {tokens}: it makes what is missing"
            typer.echo(f"To try them again: {again}.")
    elif found.done:
        typer.echo("Done.")
    elif not found.running:
        typer.echo("Nobody is at it: the build command goes on with what is missing.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:MOST_SHOWN]) + (", ..." if len(names) > MOST_SHOWN else "")
