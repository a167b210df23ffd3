"""`rmod features`."""

from __future__ import annotations

import typer

from rmod_pipeline.cli.shared.options import (
    AddressOption,
    DataArgument,
    ExecutorOption,
    ShardMinutesOption,
    WorkersOption,
)
from rmod_pipeline.cli.shared.output import print_failures, print_summary
from rmod_pipeline.errors import quote


def features(
    out: DataArgument,
    workers: WorkersOption = None,
    executor: ExecutorOption = None,
    address: AddressOption = None,
    shard_minutes: ShardMinutesOption = None,
) -> None:
    """Compute log-mel spectrograms of finished audio: OUT/features/MEL/*.tar.

    The bytes are those that `rmod build --features` makes while it renders. A run that was stopped resumes when the
    same command is given again.

    Examples:

        rmod features OUT

        rmod features OUT --workers 8
    """
    from rmod_pipeline import api

    compute = api.ComputeConfig(executor=executor, address=address, workers=workers, shard_minutes=shard_minutes)
    try:
        result = api.compute_features(out, compute=compute)
    except api.IncompleteBuildError as error:
        print_summary(error.result.summary, error.result.folder, "Computed features of")
        print_failures(error.result.summary, out)
        raise typer.Exit(1) from error
    print_summary(result.summary, result.folder, "Computed features of")
    typer.echo(f"Next: rmod verify {quote(out)}")
