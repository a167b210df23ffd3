"""`rmod library`: make a manifest from a folder of sounds, and check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rich.console import Console

    from rmod_pipeline.api import ScanResult
    from rmod_pipeline.library.asset import Asset

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Scan a folder of sounds into a library for builds, and check it.",
)

_SCAN_HELP = """Read a folder of sounds and write a manifest: a CSV with one row per file, which you may edit.

Reads WAV, AIFF, FLAC, OGG, MP3 and all other formats that libsndfile reads, at any rate. The kind of a file comes from
a labels file, or else from file and folder names ("Pack A/snare 01.wav", "Kicks/..."). A file that cannot be used is
dropped, with a reason in NAME.report.csv: so are loops, fills and rolls of drums. Files that are not audio are counted.
Copies of one sound, also at another level, rate, format or trim, stay in one split; so do kits, if
there are enough of them. Paths are relative to the manifest: write it into the folder or above it, and both can move
together.

Examples:

    rmod library scan samples --out samples/library.csv

    rmod library scan samples --out samples/library.csv --labels samples/labels.csv --licence CC0-1.0

    rmod library scan samples --out samples/library.csv --previous samples/library.csv   # after adding sounds

    rmod library scan /media/packs --out mine.csv          # the manifest's first line names the folder
"""

_CHECK_HELP = """Check that every file of a manifest exists and is unchanged, and count its sounds.

Exits with 1 if there is anything to mend. `builtin` is the kit that comes with rmod.

Examples:

    rmod library check samples/library.csv

    rmod library check builtin
"""


@app.command(cls=Command, help=_SCAN_HELP)
def scan(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", parser=parse_local_path, help="The folder that holds the sounds.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            metavar="NAME.csv", parser=parse_local_path, help="The manifest to write, best in DIR or above it."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", parser=parse_local_path, help="What names cannot say; columns path,kind,kit,licence,source."
        ),
    ] = None,
    licence: Annotated[str, typer.Option(metavar="SPDX", help="Licence of files without one, such as CC0-1.0.")] = "",
    splits: Annotated[str, typer.Option(metavar="A/B/C", help="Per cent of train/valid/test.")] = "90/5/5",
    previous: Annotated[
        Path | None,
        typer.Option(metavar="CSV", parser=parse_local_path, help="An earlier manifest: its sounds keep their split."),
    ] = None,
    max_one_shot: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest drum hit.")] = 10.0,
    max_loop: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest sound of other kinds.")] = 600.0,
    rolls: Annotated[bool, typer.Option("--rolls", help="Keep drum hits whose names say roll or flam.")] = False,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Read unchanged files again too.")] = False,
) -> None:
    """Scan a folder of sounds and write its manifest."""
    from rmod_pipeline import api

    result = api.scan(
        folder,
        out=out,
        labels=labels,
        licence=licence,
        shares=splits,
        previous=previous,
        max_one_shot=max_one_shot,
        max_loop=max_loop,
        rolls=rolls,
        workers=workers,
        fresh=fresh,
    )
    _print_scan(result)


@app.command(cls=Command, help=_CHECK_HELP)
def check(
    manifest: Annotated[str, typer.Argument(metavar="NAME.csv", help="The manifest, or `builtin`.")],
) -> None:
    """Check every file of a manifest."""
    from rich.console import Console

    from rmod_pipeline import api

    library = api.open_library(manifest)
    problems = api.check_library(library)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    _print_counts(console, library.assets, {})
    for problem in problems:
        console.print(problem)
    if problems:
        console.print(f"{len(problems)} to mend in {library.manifest}")
        raise typer.Exit(1)
    console.print(f"{len(library.assets)} files exist and are unchanged")


def _print_scan(result: ScanResult) -> None:
    from rich.console import Console

    from rmod_pipeline.library.scanning.report import describe_unused

    console, scan = Console(markup=False, highlight=False, soft_wrap=True), result.scan
    _print_counts(console, scan.assets, scan.split_by)
    copies = sum(len(paths) for paths in scan.copies)
    if scan.copies:
        console.print(f"{copies} files are copies in {len(scan.copies)} groups, the largest of {len(scan.copies[0])}")
    for line in describe_unused(scan):
        console.print(line)
    for warning in scan.warnings:
        console.print(f"warning: {warning}")
    console.print(f"{result.manifest}: {len(scan.assets)} sounds; {result.report} has the details")


def _print_counts(console: Console, assets: list[Asset] | tuple[Asset, ...], rule: dict[str, str]) -> None:
    from collections import Counter

    from rich.table import Table

    from rmod_pipeline.library.scanning.check import count_kinds

    table = Table("kind", *(["split by"] if rule else []))
    for column in ("files", "groups", "train", "valid", "test", "minutes"):
        table.add_column(column, justify="right")
    for count in count_kinds(assets):
        numbers = (count.files, count.groups, *count.by_split.values())
        split_by = [rule[count.kind]] if rule else []
        table.add_row(count.kind, *split_by, *map(str, numbers), f"{count.seconds / 60:.1f}")
    console.print(table)
    licences = Counter(asset.licence or "(unknown)" for asset in assets).most_common()
    text = ", ".join(f"{licence} {count}" for licence, count in licences)
    console.print(f"licences: {text}")
