"""`rmod library`: everything that is done with a folder of sounds, one command per module."""

from __future__ import annotations

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.groups.library.check import CHECK_HELP, check
from rmod_pipeline.cli.groups.library.scan import SCAN_HELP, scan

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Scan a folder of sounds into a library for builds, and check it.",
)

app.command(cls=Command, help=SCAN_HELP)(scan)
app.command(cls=Command, help=CHECK_HELP)(check)
