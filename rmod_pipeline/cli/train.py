"""`rmod train`: fit DOSE models to a data set's tokens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rmod_pipeline.cli.progress import LINE_SECONDS
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.training.dose.losses import StepLosses
    from rmod_pipeline.training.dose.monitor import ProgressListener, TrainingState
    from rmod_pipeline.training.dose.train import TrainingReport


def _here(text: str | Location) -> Path:
    """Return a path of this machine. Raises UsageError for an address of a store."""
    where = parse_location(text)
    if not isinstance(where, Path):
        raise UsageError(where, "is on an object store; models are kept on disks", "give a path of this machine")
    return where


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE", help="A DOSE recipe: a file, or a name that comes with rmod: tiny, laptop, small, paper."
        ),
    ],
    data: Annotated[
        Any,  # a Place: typer knows no unions
        typer.Option(
            metavar="OUT", parser=parse_location, help="A data set with tokens: a folder, or s3://bucket/data."
        ),
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", parser=_here, help="Where models and all that it takes to go on are kept.")
    ],
    instrument: Annotated[
        str | None, typer.Option(metavar="NAME", help="One of the recipe's; default: all, one after another.")
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(metavar="NAME|PATH", help="Whose tokens, if OUT has those of several codecs; or its weights."),
    ] = None,
    begin_from: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=_here, help="Begin with the weights of a checkpoint, such as kick.pth."),
    ] = None,
    until: Annotated[
        int | None, typer.Option(metavar="STEP", min=1, help="Stop after the validation at or after this step.")
    ] = None,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu or cuda; auto takes a GPU if it can.")] = "auto",
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="GPUs (or processes) of this node.")] = 1,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Nodes that take part.")] = 1,
    workers: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Processes that read shards, for each device; or 0."),
    ] = 2,
    wandb: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Log to Weights & Biases too, if you have it installed.")
    ] = None,
) -> None:
    """Train a DOSE model for each instrument, or one for all, as the recipe says.

    DIR/kick.pth is the best model so far by its loss on the valid split; it is told beside a baseline that knows how
    often each token comes and listens to nothing. Stopped, it goes on from the latest validation when the same command
    is given again, with the same result as if it had not been stopped. DIR/kick/log is for TensorBoard.

    Examples:

        rmod train tiny --data OUT --out models

        rmod train paper --data OUT --instrument kick --out models --devices 8
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.dose.recipe import load_dose_recipe
    from rmod_pipeline.errors import DoseError

    loaded = load_dose_recipe(recipe)
    need_torch(DoseError, "train")
    try:
        from rmod_pipeline.training.dose.train import DeviceSettings, Training
        from rmod_pipeline.training.dose.train import train_dose as train_models
    except ModuleNotFoundError as error:
        raise DoseError(
            "training", f"needs {error.name}, which is not installed", "pip install 'rmod-pipeline[train]'"
        ) from error

    training = Training(
        recipe=loaded,
        data=data,
        out=out,
        codec=codec,
        instrument=instrument,
        begin_from=begin_from,
        until=until,
        wandb=wandb,
        machine=DeviceSettings(device=device, devices=devices, nodes=nodes, workers=workers),
    )
    with _training_bar() as listener:
        for report in train_models(training, listener):
            _tell(report)


def _tell(report: TrainingReport) -> None:
    name = "-".join(report.instruments)
    ends = {"": "not at its end: the same command goes on", "patience": "no better for long enough"}
    typer.echo(
        f"{name}: {report.steps:,} steps, {ends.get(report.ended, report.ended)}; best at {report.best['step']:,}"
    )
    rows = {"model": report.best["held_out"], "unigram": report.unigram}
    for instrument in ("all", *report.instruments) if len(report.instruments) > 1 else report.instruments:
        told = "; ".join(f"{who} {_losses(losses[instrument])}" for who, losses in rows.items())
        typer.echo(f"    held-out loss, {instrument}: {told}")
    typer.echo(f"    {report.model}")


def _losses(parts: Mapping[str, float]) -> str:
    return f"{parts['full']:.3f} (onset {parts['onset']:.3f})"


@contextmanager
def _training_bar() -> Iterator[ProgressListener]:
    """Give a listener that draws where a training stands while somebody looks on, and tells of validations."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rmod_pipeline.training.dose.monitor import ProgressListener

    console = Console(stderr=True)
    told_at = time.monotonic()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, told="")

        def began(name: str, step: int) -> None:
            bar.reset(task, description=name, completed=step, told="")
            if step:
                typer.echo(f"{name}: going on from step {step:,}", err=True)

        def stepped(standing: TrainingState) -> None:
            nonlocal told_at
            bar.update(task, total=standing.steps, completed=standing.step, told=_speed(standing))
            if not console.is_terminal and time.monotonic() - told_at >= LINE_SECONDS:
                told_at = time.monotonic()
                typer.echo(f"step {standing.step:,} of {standing.steps:,}: {_speed(standing)}", err=True)

        def validated(standing: TrainingState, losses: StepLosses) -> None:
            told = f"step {standing.step:,} of {standing.steps:,}: held-out loss {_losses(losses['all'])}"
            typer.echo(f"{told}; {_speed(standing)}", err=True)

        yield ProgressListener(began=began, stepped=stepped, validated=validated)


def _speed(standing: TrainingState) -> str:
    return (
        f"in training {standing.loss:.3f}, {standing.tokens_per_second:,.0f} tokens/s, "
        f"{standing.waiting:.0%} of the time waiting for data"
    )
