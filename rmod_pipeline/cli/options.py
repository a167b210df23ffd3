"""Options that name a place: a path of this machine, or an address of an object store such as s3://bucket/data."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from rmod_pipeline.storage import parse_location

Out = Annotated[
    Any,  # a Place: typer knows no unions, and asks `location` in any case
    typer.Argument(
        metavar="OUT", parser=parse_location, help="What `rmod build --out` wrote: a folder, or s3://bucket/data."
    ),
]

Folder = Annotated[
    Any, typer.Option("--out", metavar="DIR", parser=parse_location, help="The folder for the files; made if missing.")
]
