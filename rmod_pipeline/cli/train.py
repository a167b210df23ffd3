"""`rmod train`: fit DOSE models to a data set's tokens, or an ear to its features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.shared.options import PlainDeviceOption
from rmod_pipeline.storage import parse_location

if TYPE_CHECKING:
    from rmod_pipeline.training.loop.fit import TrainingReport


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A file, or a name that comes with rmod: tiny, laptop, laptop_ear, small, paper (DOSE), ear (an ear).",
        ),
    ],
    data: Annotated[
        Any,
        typer.Option(
            metavar="OUT",
            parser=parse_location,
            help="A data set with tokens for DOSE, with features for an ear: a folder, or s3://bucket/data.",
        ),
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for models, logs and what a resume needs.")],
    instrument: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of a DOSE recipe's instruments. Default: all in turn."),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="The codec of the tokens, if OUT has several; or its weights."),
    ] = None,
    begin_from: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Start with the weights of a checkpoint, such as kick.pth or ear.pth."),
    ] = None,
    ear: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The ear for a recipe with `condition: ear`. Default: the one that rmod ships.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        int | None, typer.Option(metavar="STEP", min=1, help="Stop after the validation at or after this step.")
    ] = None,
    device: PlainDeviceOption = "auto",
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="GPUs (or processes) per node.")] = 1,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Number of nodes.")] = 1,
    workers: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Processes that read shards, per device."),
    ] = 2,
    wandb: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Log to Weights & Biases too, if it is installed.")
    ] = None,
) -> None:
    """Train what the recipe says: a DOSE model per instrument, one for all, or an ear.

    DOSE needs tokens, an ear needs features. DIR/kick.pth or DIR/ear.pth is the best model so far by its loss on the
    valid split. The loss is printed beside a baseline that does not listen: it knows token frequencies, or the mean
    one-shot. A training that was stopped resumes from the latest validation when the same command is given again,
    with the same result. DIR/kick/log or DIR/ear/log is for TensorBoard.

    Examples:

        rmod train tiny --data OUT --out models

        rmod train paper --data OUT --instrument kick --out models --devices 8

        rmod train ear --data OUT --out models
    """
    from rmod_pipeline import api

    api.train(
        recipe,
        data=data,
        out=out,
        instrument=instrument,
        codec=codec,
        begin_from=begin_from,
        ear=ear,
        until=until,
        device=device,
        devices=devices,
        nodes=nodes,
        workers=workers,
        wandb=wandb,
        on_report=_print_report,
    )


def _print_report(report: TrainingReport) -> None:
    from rmod_pipeline.progress import format_losses

    reasons = {"": "not finished: the same command resumes it", "patience": "stopped early: no improvement"}
    reason = reasons.get(report.ended, report.ended)
    typer.echo(f"{report.name}: {report.steps:,} steps, {reason}; best at step {report.best['step']:,}")
    systems = {"model": report.best["held_out"], **report.baselines}
    for instrument in ("all", *report.instruments) if len(report.instruments) > 1 else report.instruments:
        listed = "; ".join(f"{system} {format_losses(losses[instrument])}" for system, losses in systems.items())
        typer.echo(f"    held-out loss, {instrument}: {listed}")
    typer.echo(f"    {report.model}")
