"""`rmod status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from rmod_pipeline.cli.shared.options import DataArgument, JsonFlag

if TYPE_CHECKING:
    from rmod_pipeline.inspection.status import BuildStatus

MOST_SHOWN = 20


def status(
    out: DataArgument,
    as_json: JsonFlag = False,
) -> None:
    """Print the state of a build: shards done, running and failed, pairs per second, time left.

    The command reads only the receipts and the log in OUT, so it works on any machine that sees the folder, during a
    build and after it. Exits with 1 if the last try of a shard failed.

    Examples:

        rmod status OUT

        rmod status s3://bucket/data --json
    """
    import json

    from rmod_pipeline import api

    state = api.status(out)
    if as_json:
        typer.echo(json.dumps(state.to_dict(), indent=1))
    else:
        _print_status(state)
    if state.failed:
        raise typer.Exit(1)


def _print_status(state: BuildStatus) -> None:
    from rmod_pipeline.pipeline.jobs.disk_space import format_bytes
    from rmod_pipeline.progress import duration

    for family in state.families:
        rejects = ", ".join(f"{reason} {count}" for reason, count in family.rejects.items())
        more = f"; rejected and drawn again: {rejects}" if rejects else ""
        more += f"; {family.absent} keys absent" if family.absent else ""
        typer.echo(
            f"{family.family}: {family.shards} of {state.shards} shards, {family.pairs} of {state.pairs} pairs, "
            f"{format_bytes(family.bytes)}{more}"
        )
    if state.pairs_per_second:
        left = "" if state.seconds_left is None else f", {duration(state.seconds_left)} left"
        typer.echo(f"{state.pairs_per_second:.1f} pairs/s{left}")
    if state.running:
        typer.echo(f"running: {len(state.running)} shards, {_first_names(state.running)}")
    if state.failed:
        _print_failures(state)
    elif state.done:
        typer.echo("Done.")
    elif not state.running:
        typer.echo("No run is active: the build command resumes with what is missing.")


def _first_names(names: list[str]) -> str:
    return ", ".join(names[:MOST_SHOWN]) + (", ..." if len(names) > MOST_SHOWN else "")


def _print_failures(state: BuildStatus) -> None:
    typer.secho(f"failed: {len(state.failed)} shards", fg=typer.colors.RED)
    for failed in state.failed[:MOST_SHOWN]:
        of = f" of {failed.family}" if failed.family else ""
        at = f" at {failed.key}" if failed.key else ""
        typer.echo(f"  {failed.shard}{of}{at}, {failed.time}: {failed.cause}")
    if len(state.failed) > MOST_SHOWN:
        typer.echo(f"  and {len(state.failed) - MOST_SHOWN} more: --json lists all")
    for tokens in sorted({failed.family for failed in state.failed}):
        command = "the build command with --retry-failed"
        if tokens:
            command = f"the encode command of {tokens}, which makes what is missing"
        typer.echo(f"To try them again: {command}.")
