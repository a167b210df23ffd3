"""Where a command's work runs: this machine's processes, or a Ray cluster."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.executors import Executor

WHERE = "Where it is made"
LOCAL, RAY = "local", "ray"

ExecutorOption = Annotated[
    str | None,
    typer.Option(
        metavar="local|ray",
        help="Processes of this machine, or a Ray cluster; ray if --address or RAY_ADDRESS says where.",
        show_default=False,
        rich_help_panel=WHERE,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="A Ray cluster's; `auto` is the one of this machine.", rich_help_panel=WHERE
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Shards made at a time: as many as cores, or fewer. Default: 1; on a cluster all its cores.",
        rich_help_panel=WHERE,
    ),
]
ShardMinutesOption = Annotated[
    float | None,
    typer.Option(
        metavar="MINUTES",
        help="Kill what takes longer over a shard, and try it once more. Default: never.",
        rich_help_panel=WHERE,
    ),
]


def open_executor(
    name: str | None, address: str | None, workers: int | None, encoders: int | None, shard_minutes: float | None
) -> Executor:
    """Return the executor that the options ask for. Raises UsageError."""
    from rmod_pipeline.errors import UsageError, nearest

    if workers is not None:
        at_least("--workers", workers, 1)
    limit = None if shard_minutes is None else 60 * at_least("--shard-minutes", shard_minutes, 0.01)
    chosen = name or (RAY if address or os.environ.get("RAY_ADDRESS") else LOCAL)
    if chosen == LOCAL:
        if address:
            raise UsageError("--address", "is for a Ray cluster", "leave it out, or give --executor ray")
        from rmod_pipeline.pipeline.executors.local import local_executor

        return local_executor(workers or 1, encoders, limit)
    if chosen != RAY:
        found = f"unknown '{chosen}'{nearest(chosen, (LOCAL, RAY))}"
        raise UsageError("--executor", found, f"choose {LOCAL} or {RAY}")
    try:
        from rmod_pipeline.pipeline.executors.ray import RayExecutor
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[ray]', or give --executor local"
        raise UsageError("--executor", f"{error.name} is not installed", hint) from error
    return RayExecutor(address, workers, encoders, limit)


def at_least(option: str, value: float, least: float) -> float:
    """Return an option's number. Raises UsageError for one that is too small, or none."""
    from rmod_pipeline.errors import UsageError

    if not math.isfinite(value):
        raise UsageError(option, f"{value} is no number", f"give {least} or more")
    if value < least:
        raise UsageError(option, f"{value} is too small", f"give {least} or more")
    return value
