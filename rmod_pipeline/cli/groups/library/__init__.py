"""`rmod library`: everything that is done with a folder of sounds, one command per module."""

from __future__ import annotations

import typer

from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.groups.library.check import CHECK_HELP, check
from rmod_pipeline.cli.groups.library.harvest import HARVEST_HELP, harvest
from rmod_pipeline.cli.groups.library.map import MAP_HELP, map_command
from rmod_pipeline.cli.groups.library.near import NEAR_HELP, near
from rmod_pipeline.cli.groups.library.organise import ORGANISE_HELP, organise
from rmod_pipeline.cli.groups.library.scan import SCAN_HELP, scan

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Scan a folder of sounds into a library for builds, and check it.",
)

app.command(cls=Command, help=SCAN_HELP)(scan)
app.command(cls=Command, help=CHECK_HELP)(check)
app.command(cls=Command, help=NEAR_HELP)(near)
app.command("map", cls=Command, help=MAP_HELP)(map_command)
app.command(cls=Command, help=ORGANISE_HELP)(organise)
app.command(cls=Command, help=HARVEST_HELP)(harvest)
