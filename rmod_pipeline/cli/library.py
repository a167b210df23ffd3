"""`rmod library`: make a manifest from a folder of sounds, and check one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.help_format import Command, Group

if TYPE_CHECKING:
    from rich.console import Console

    from rmod_pipeline.library.asset import Asset
    from rmod_pipeline.library.process_pool import ScanProgress
    from rmod_pipeline.library.scanning.scan import Scan

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Make a library of sounds that a build can use, and check it.",
)

_SCAN_HELP = """Read a folder of sounds and write a manifest: a CSV with a row a file, which can be edited by hand.

WAV, AIFF, FLAC, OGG and MP3 at any rate. What a file is, is told by a labels file or else by folder and file names
("Kicks/...", "Pack A/snare 01.wav"). What cannot be used is dropped, each with a reason in NAME.report.csv. Copies of
one sound, at another level, rate, format or trim too, stay on one side of the split, and so do kits where there are
kits enough. Paths are relative to the manifest: write it into the folder or above it, and the two can move together.

Examples:

    rmod library scan samples --out samples/library.csv

    rmod library scan samples --out samples/library.csv --labels samples/labels.csv --licence CC0-1.0

    rmod library scan samples --out samples/library.csv --previous samples/library.csv   # after adding sounds

    rmod library scan /media/packs --out mine.csv          # the manifest's first line says where the sounds lie
"""

_CHECK_HELP = """Check that every file of a manifest is there and unchanged, and count what it holds.

Ends with 1 if there is anything to mend. The name `builtin` stands for the kit that ships.

Examples:

    rmod library check samples/library.csv

    rmod library check builtin
"""


@app.command(cls=Command, help=_SCAN_HELP)
def scan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds the sounds.")],
    *,
    out: Annotated[Path, typer.Option(metavar="NAME.csv", help="The manifest to write, best in DIR or above it.")],
    labels: Annotated[
        Path | None, typer.Option(metavar="CSV", help="What names cannot tell; columns path,kind,kit,licence,source.")
    ] = None,
    licence: Annotated[
        str, typer.Option(metavar="SPDX", help="Licence of files that nothing else gives one, such as CC0-1.0.")
    ] = "",
    splits: Annotated[str, typer.Option(metavar="A/B/C", help="Percent for train/valid/test.")] = "90/5/5",
    previous: Annotated[
        Path | None, typer.Option(metavar="CSV", help="An old manifest, of which every row keeps its split.")
    ] = None,
    max_one_shot: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest drum hit.")] = 10.0,
    max_loop: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Longest sound of other kinds.")] = 600.0,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one for each core.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Read every file again, also unchanged ones.")] = False,
) -> None:
    import os

    from rich.console import Console

    from rmod_pipeline.library.scanning.cache import ScanCache
    from rmod_pipeline.library.scanning.labels import Labels
    from rmod_pipeline.library.scanning.previous import Previous
    from rmod_pipeline.library.scanning.report import refuse_overwriting, write_scan
    from rmod_pipeline.library.scanning.scan import ScanRules, scan_folder
    from rmod_pipeline.library.splits import parse_shares
    from rmod_pipeline.library.taxonomy import checked_licence
    from rmod_pipeline.storage.folders import cache_folder

    refuse_overwriting(out)
    rules = ScanRules(
        shares=parse_shares(splits),
        licence=checked_licence(licence),
        max_one_shot_seconds=max_one_shot,
        max_loop_seconds=max_loop,
        workers=workers or os.cpu_count() or 1,
    )
    console = Console(stderr=True)
    cache = ScanCache(None if fresh else cache_folder() / "scan.sqlite")
    try:
        with _progress(console) as progress:
            found = scan_folder(
                folder,
                out,
                rules,
                labels=Labels.read(labels) if labels else None,
                previous=Previous.read(previous) if previous else None,
                cache=cache,
                progress=progress,
            )
    finally:
        cache.close()
    write_scan(found, out, rules.shares)
    _print_scan(Console(), found, out)


@app.command(cls=Command, help=_CHECK_HELP)
def check(
    manifest: Annotated[str, typer.Argument(metavar="NAME.csv", help="The manifest, or `builtin`.")],
) -> None:
    from rich.console import Console

    from rmod_pipeline.library.manifest import load_library
    from rmod_pipeline.library.scanning.check import check_library

    library = load_library(manifest)
    console = Console()
    with _progress(Console(stderr=True)) as progress:
        findings = list(check_library(library, progress))
    _print_counts(console, library.assets, {})
    for finding in findings:
        console.print(finding, markup=False, highlight=False, soft_wrap=True)
    if findings:
        console.print(f"{len(findings)} to mend in {library.manifest}", markup=False, soft_wrap=True)
        raise typer.Exit(1)
    console.print(f"{len(library.assets)} files are there and unchanged", highlight=False)


@contextmanager
def _progress(console: Console) -> Iterator[ScanProgress]:
    """Show a bar with rate and time left while work goes on."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    class Rate(TextColumn):
        def __init__(self) -> None:
            super().__init__("{task.speed}")

        def render(self, task):  # type: ignore[no-untyped-def]
            from rich.text import Text

            return Text(f"{task.finished_speed or task.speed or 0:.0f} /s")

    columns = (BarColumn(), MofNCompleteColumn(), TaskProgressColumn(), Rate(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description}"), *columns, console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def _print_scan(console: Console, found: Scan, out: Path) -> None:
    from collections import Counter

    from rmod_pipeline.library.scanning.report import report_path

    _print_counts(console, found.assets, found.rule)
    copies = sum(len(paths) for paths in found.copies)
    if found.copies:
        console.print(f"{copies} files are copies in {len(found.copies)} groups, the largest of {len(found.copies[0])}")
    for reason, count in Counter(drop.reason.split(":")[0] for drop in found.dropped).most_common():
        console.print(f"dropped {count}: {reason}", markup=False)
    for warning in found.warnings:
        console.print(f"warning: {warning}", markup=False, soft_wrap=True)
    console.print(f"{out}: {len(found.assets)} sounds; {report_path(out)} says the rest", markup=False, soft_wrap=True)


def _print_counts(console: Console, assets: list[Asset] | tuple[Asset, ...], rule: dict[str, str]) -> None:
    from collections import Counter

    from rich.table import Table

    from rmod_pipeline.library.scanning.report import count_kinds

    table = Table("kind", *(["split by"] if rule else []))
    for column in ("files", "groups", "train", "valid", "test", "minutes"):
        table.add_column(column, justify="right")
    for count in count_kinds(assets):
        numbers = (count.files, count.groups, *count.by_split.values())
        said = [rule[count.kind]] if rule else []
        table.add_row(count.kind, *said, *map(str, numbers), f"{count.seconds / 60:.1f}")
    console.print(table)
    licences = Counter(asset.licence or "(unknown)" for asset in assets).most_common()
    text = ", ".join(f"{licence} {count}" for licence, count in licences)
    console.print(f"licences: {text}", markup=False, highlight=False, soft_wrap=True)
