"""`rmod classify compare`: compare systems that tell the kind of a one-shot, on kits that they have not heard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.api.sounds.classifier_comparison import ClassifierComparisonResult

COMPARE_HELP = """Compare systems that tell the kind of a one-shot, each on kits that it has not learned from.

The sounds are divided into folds by kit, so that no kit, and no copy that a scan has found, is on both sides, with
about equal shares of each class. In each fold all systems learn from the other folds and answer its sounds.

  majority: the most frequent class.

  features-forest, features-adaboost: hand-made features with a random forest, and with AdaBoost.

  yamnet-logistic, yamnet-forest: vectors of YAMNet with logistic regression, and with a random forest.

  embedding-perceptron, embedding-neural-forest: embeddings of the network with a perceptron, and with a deep neural
  decision forest.

  network, network-2s, network-1s: the network from end to end, which hears 3, 2 and 1 s of a sound.

The systems of YAMNet need --yamnet. The answers are scored for all classes, for the seven classes of the public roadmap
for one-shots, and for kick, snare and hi-hat. A class with fewer kits than folds is learned and not scored.
DIR/report.html has tables with intervals over kits, confusions, and errors to listen to. DIR/table.md and
DIR/table.json have the figures, DIR/answers all answers. A comparison that was stopped goes on when the same command is
given again.

A training takes minutes per fold. Exits with 1 if sounds cannot be read; they are left out.

Examples:

    rmod classify compare library.csv --out comparison --yamnet yamnet.tflite

    rmod classify compare library.csv --out quick --systems features-forest,network --folds 3 --steps 300
"""


def compare(
    libraries: Annotated[
        list[str], typer.Argument(metavar="LIB...", help="Labelled sounds: manifests, folders, or builtin.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", parser=parse_local_path, help="Folder for answers, networks, tables and page."),
    ],
    folds: Annotated[int, typer.Option(metavar="N", min=2, help="Divisions of the kits.")] = 5,
    systems: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Compare these systems alone. Default: all with weights.", show_default=False),
    ] = None,
    yamnet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", parser=parse_local_path, help="The published yamnet.tflite.", show_default=False),
    ] = None,
    recipe: Annotated[
        str, typer.Option(metavar="NAME|YAML", help="The recipe of the network; one that comes with rmod, or a file.")
    ] = "sounds",
    steps: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Training steps, in place of the recipe's.")
    ] = None,
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes that read and vary the sounds; 0 is one per core.")
    ] = 0,
) -> None:
    """Compare systems that tell the kind of a one-shot."""
    from rmod_pipeline import api

    result = api.compare_classifiers(
        libraries,
        out=out,
        folds=folds,
        systems=None if systems is None else [name.strip() for name in systems.split(",") if name.strip()],
        yamnet=yamnet,
        recipe=recipe,
        steps=steps,
        workers=workers,
    )
    _print_tables(result)
    typer.echo(f"open {result.files[-1]}")
    if result.unreadable:
        typer.echo(f"{len(result.unreadable)} sounds cannot be read and are left out, see above.", err=True)
        raise typer.Exit(1)


def _print_tables(result: ClassifierComparisonResult) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from rmod_pipeline.pages.classifiers.tables import make_main_table

    console = Console(highlight=False)
    for each in result.results.tables:
        shown = make_main_table(each)
        table = Table(*map(escape, shown.headings), title=escape(shown.title), title_justify="left")
        for row in shown.rows:
            table.add_row(*map(escape, row))
        console.print(table)
        console.print(escape(shown.note))
    for note in result.results.notes:
        console.print(escape(note))
