"""`rmod render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rmod_pipeline.cli.shared.options import FilesOption, LibraryOption
from rmod_pipeline.storage import parse_local_path


def render(
    pair: Annotated[
        Path,
        typer.Argument(
            metavar="PAIR.json", parser=parse_local_path, help="The JSON beside a pair: `rmod show OUT KEY --json`."
        ),
    ],
    library: LibraryOption,
    out: FilesOption,
    engine: Annotated[str | None, typer.Option(metavar="NAME", help="Another engine than the pair's own.")] = None,
) -> None:
    """Render one pair again from its JSON: mixture, dry one-shots, stems, MIDI.

    Example:

        rmod show OUT train-00000012 --json > pair.json

        rmod render pair.json --library lib.csv --out listen
    """
    from rmod_pipeline import api

    for path in api.rerender(pair, library=library, out=out, engine=engine):
        typer.echo(path)
