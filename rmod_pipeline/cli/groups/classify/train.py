"""`rmod classify train`: train a classifier of one-shots on the sounds of libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.options import PlainDeviceOption

if TYPE_CHECKING:
    from rmod_pipeline.training.loop.fit import TrainingReport

TRAIN_HELP = """Train a classifier that tells the kind of a one-shot, on the sounds of libraries.

Each sound has its kind from the manifest. Every kind of the taxonomy is a class, or a part of one; basses, pianos,
guitars and vocals are no drums. The train splits are learned from. The valid splits select the best model, and
calibrate its confidence. The test splits are not read. Sounds are varied first, once, in worker processes.

DIR/sounds.pth is the best model so far; give it to --model of other commands. A training that was stopped resumes when
the same command is given again. DIR/sounds/log is for TensorBoard.

Examples:

    rmod classify train --library library.csv --out models

    rmod classify train --library builtin --library library.csv --licences permissive --out models

    rmod classify train --library library.csv --pseudo-labels unlabelled.csv --above 0.95 --out models2
"""


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="[RECIPE]", help="A file, or a name that comes with rmod: sounds.")
    ] = "sounds",
    *,
    library: Annotated[
        list[str], typer.Option(metavar="LIB", help="A manifest, a folder, or builtin; may be given several times.")
    ],
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder for the model, logs and what a resume needs.")],
    licences: Annotated[
        str, typer.Option(metavar="CLASS", help="Use sounds of these licences alone: permissive, attribution, ...")
    ] = "any",
    pseudo_labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIB",
            help="Sounds whose kinds are not known: those that a classifier is sure of are learned too.",
            show_default=False,
        ),
    ] = None,
    above: Annotated[
        float, typer.Option(metavar="CONFIDENCE", min=0, max=1, help="How sure it has to be of these.")
    ] = 0.95,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The classifier that labels them. Default: the one that rmod ships.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Training steps, in place of the recipe's.")
    ] = None,
    until: Annotated[
        int | None, typer.Option(metavar="STEP", min=1, help="Stop after the validation at or after this step.")
    ] = None,
    device: PlainDeviceOption = "auto",
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes that vary the sounds; 0 is one per core.")
    ] = 0,
    wandb: Annotated[
        str | None, typer.Option(metavar="PROJECT", help="Log to Weights & Biases too, if it is installed.")
    ] = None,
) -> None:
    """Train a classifier."""
    from rmod_pipeline import api

    api.train_classifier(
        recipe,
        out=out,
        libraries=library,
        licences=licences,
        pseudo_labels=pseudo_labels or (),
        above=above,
        teacher=teacher,
        steps=steps,
        until=until,
        device=device,
        workers=workers,
        wandb=wandb,
        on_report=_print_report,
    )


def _print_report(report: TrainingReport) -> None:
    from rmod_pipeline.progress import format_losses

    reason = report.ended or "not finished: the same command resumes it"
    typer.echo(f"{report.name}: {report.steps:,} steps, {reason}; best at step {report.best['step']:,}")
    systems = {"model": report.best["held_out"], **report.baselines}
    known = [kind for kind in report.instruments if any(any(losses[kind].values()) for losses in systems.values())]
    for kind in ("all", *known):
        listed = "; ".join(f"{system} {format_losses(losses[kind])}" for system, losses in systems.items())
        typer.echo(f"    valid split, {kind}: {listed}")
    typer.echo(f"    {report.model}")
