"""`rmod library scan`: make a manifest from a folder of sounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.shared.counts import print_counts
from rmod_pipeline.cli.shared.options import ClassifierOption
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmod_pipeline.api import ScanResult
    from rmod_pipeline.library.scanning.scan import Scan

SCAN_HELP = """Read a folder of sounds and write a manifest: a CSV with one row per file, which you may edit.

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

    rmod library scan unnamed --out unnamed.csv --listen   # "Sample 043.wav": a classifier tells what it is
"""


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
    listen: Annotated[
        bool, typer.Option("--listen", help="Tell kinds by ear where names say nothing, and doubt wrong names.")
    ] = False,
    model: ClassifierOption = None,
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
        listen=listen,
        model=model,
    )
    _print_scan(result)


def _print_scan(result: ScanResult) -> None:
    from rich.console import Console

    from rmod_pipeline.library.scanning.report import describe_unused

    console, scan = Console(markup=False, highlight=False, soft_wrap=True), result.scan
    print_counts(console, scan.assets, scan.split_by)
    copies = sum(len(paths) for paths in scan.copies)
    if scan.copies:
        console.print(f"{copies} files are copies in {len(scan.copies)} groups, the largest of {len(scan.copies[0])}")
    for line in _describe_hearing(scan):
        console.print(line)
    for line in describe_unused(scan):
        console.print(line)
    for warning in scan.warnings:
        console.print(f"warning: {warning}")
    console.print(f"{result.manifest}: {len(scan.assets)} sounds; {result.report} has the details")


def _describe_hearing(scan: Scan) -> Iterator[str]:
    """Yield what an ear has told of the kinds, if it was asked."""
    from rmod_pipeline.library.scanning.listening import EAR

    by_ear = sum(asset.kind_from == EAR for asset in scan.assets)
    if by_ear:
        yield f"{by_ear} kinds are by ear; the columns kind_from and confidence tell which"
    if scan.suspects:
        yield f"{len(scan.suspects)} names or labels are doubted by ear, the first: {scan.suspects[0].path}"
