"""`rmod library map`: a page with all sounds of a library, laid out by ear."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.groups.library.near import report_refused
from rmod_pipeline.cli.shared.options import ClassifierOption, OpenFlag
from rmod_pipeline.storage import parse_local_path

MAP_HELP = """Write a page that shows all sounds of a library as points: similar sounds lie together.

The page is one HTML file that needs no network and no server. A sound plays under the pointer; a click pins it and
copies its path. Kinds have colours and shapes, and can be hidden. Names, kinds and licences can be searched. Drag and
wheel move and zoom; all of it works by keyboard too. The first two seconds of each sound are in the page, up to 40 MB
in all. The other sounds are played from their files, so keep the page where it is.

Up to 20,000 sounds are laid out by t-SNE, which takes some seconds per thousand; more by their two principal
components. The same library gives the same page on one machine. On another machine t-SNE may round otherwise, and the
layout differs. How far groups are apart says little.

Exits with 1 if sounds of the library could not be heard; they are named.

Examples:

    rmod library map samples/library.csv --out map.html --open

    rmod library map builtin --out map.html
"""


def map_command(
    library: Annotated[
        str,
        typer.Argument(metavar="LIBRARY", help="`builtin`, a manifest, or a folder of sounds, which is scanned first."),
    ],
    *,
    out: Annotated[Path, typer.Option(metavar="FILE.html", parser=parse_local_path, help="The page to write.")],
    model: ClassifierOption = None,
    workers: Annotated[int, typer.Option(min=0, metavar="N", help="Processes; 0 is one per core.")] = 0,
    show: OpenFlag = False,
) -> None:
    """Write a map of a library."""
    from rmod_pipeline import api

    made = api.map_library(library, out=out, model=model, workers=workers)
    inside = "all of them" if made.embedded == made.sounds else f"{made.embedded:,} of them"
    size = made.page.stat().st_size / 1e6
    typer.echo(f"{made.page}: {made.sounds:,} sounds by {made.method}, {inside} inside the page, {size:.1f} MB")
    if show:
        typer.launch(made.page.resolve().as_uri())
    report_refused(made.refused)
