"""`rmod patterns`: make a manifest from a folder of MIDI performances, and check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.shared.counts import print_licences
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from rmod_pipeline.patterns.manifest import GrooveEntry

MOST_WARNINGS = 20

WINDOW_SECONDS = 4.0
"""Length of the mixtures of the recipes that come with rmod."""

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Scan a folder of MIDI performances into grooves for builds, and check them.",
)

_SCAN_HELP = """Read a folder of MIDI performances and write a manifest: a CSV with one row per performance.

A file that cannot be used is dropped, with a reason in NAME.report.csv: no MIDI, tracks that do not play together
(type 2), SMPTE time, no tempo, another or a changing metre than 4/4, more than 20 minutes, no drums, notes that never
end. All performances of a drummer go to one split, if there are enough drummers, and so do copies of one performance.
The list of the Groove MIDI Dataset, `info.csv`, is read where it is. Other files are by the drummer after whom their
outermost folder is named. `--map` says which key plays which drum: general_midi, roland_td, or your own YAML file.

Examples:

    rmod patterns scan groove --out grooves.csv

    rmod patterns scan groove --out grooves.csv --splits hints     # the data set's own splits, which share drummers

    rmod patterns scan midi --out mine.csv --map my_kit.yaml --licence CC0-1.0 --source "our studio"
"""

_CHECK_HELP = """Check that every file of a manifest of grooves exists and is unchanged, and count its performances.

Exits with 1 if there is anything to mend.

Example:

    rmod patterns check grooves.csv
"""


@app.command(cls=Command, help=_SCAN_HELP)
def scan(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=parse_local_path, help="The folder that holds the MIDI files.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="NAME.csv", parser=parse_local_path, help="The manifest to write, best in DIR or above it."
        ),
    ],
    drum_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="NAME|YAML",
            help="Which key plays which drum. Default: that of the data set, else general_midi.",
        ),
    ] = None,
    licence: Annotated[str, typer.Option(metavar="SPDX", help="Licence of files without one, such as CC0-1.0.")] = "",
    source: Annotated[str, typer.Option(metavar="TEXT", help="Origin of files without one, for attribution.")] = "",
    splits: Annotated[
        str, typer.Option(metavar="A/B/C|hints", help="Per cent of train/valid/test, or what the data set proposes.")
    ] = "90/5/5",
) -> None:
    """Scan a folder of MIDI performances and write their manifest."""
    from rich.console import Console

    from rmod_pipeline import api
    from rmod_pipeline.library.scanning.report import describe_unused

    result = api.scan_grooves(folder, out=out, drum_map=drum_map, licence=licence, source=source, shares=splits)
    console, found = Console(markup=False, highlight=False, soft_wrap=True), result.scan
    _print_splits(console, found.entries)
    console.print(f"split by {found.split_by}")
    if found.copies:
        copies = sum(len(paths) for paths in found.copies)
        console.print(f"{copies} files are copies in {len(found.copies)} groups")
    for line in describe_unused(found):
        console.print(line)
    for warning in found.warnings[:MOST_WARNINGS]:
        console.print(f"warning: {warning}")
    console.print(f"{result.manifest}: {len(found.entries)} performances; {result.report} has the details")


@app.command(cls=Command, help=_CHECK_HELP)
def check(
    manifest: Annotated[str, typer.Argument(metavar="NAME.csv", help="The manifest that `rmod patterns scan` wrote.")],
) -> None:
    """Check every file of a manifest of grooves."""
    from rich.console import Console

    from rmod_pipeline import api

    grooves = api.open_grooves(manifest)
    problems = api.check_grooves(grooves)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    _print_splits(console, grooves.entries)
    for problem in problems:
        console.print(problem)
    if problems:
        console.print(f"{len(problems)} to mend in {grooves.manifest}")
        raise typer.Exit(1)
    console.print(f"{len(grooves.entries)} files exist and are unchanged")


def _print_splits(console: Console, entries: Sequence[GrooveEntry]) -> None:
    from collections import Counter

    from rich.table import Table

    from rmod_pipeline.library.manifest import SPLITS
    from rmod_pipeline.patterns.scan import count_splits

    table = Table("split")
    for column in ("drummers", "performances", f"of {WINDOW_SECONDS:g} s or more", "minutes"):
        table.add_column(column, justify="right")
    counts = count_splits(entries, WINDOW_SECONDS)
    for split in (name for name in SPLITS if name in counts):
        drummers, performances, long_enough, minutes = counts[split]
        table.add_row(split, str(drummers), str(performances), str(long_enough), f"{minutes:.1f}")
    console.print(table)
    hits = Counter[str]()
    for entry in entries:
        hits.update(entry.counts())
    console.print("hits: " + ", ".join(f"{kind} {count}" for kind, count in hits.most_common()))
    print_licences(console, (entry.licence for entry in entries))
