"""`rmod classify`: tell by ear what sounds are. Without the name of a subcommand it lists files, as `list` does."""

from __future__ import annotations

from typing import Any

import typer

from rmod_pipeline.cli.groups.classify.compare import COMPARE_HELP, compare
from rmod_pipeline.cli.groups.classify.list import LIST_HELP, list_command
from rmod_pipeline.cli.groups.classify.train import TRAIN_HELP, train
from rmod_pipeline.cli.groups.help_format import Command, DefaultGroup

HELP = """
Tell by ear what kind of drum each sound is.

`rmod classify PATH...` is short for `rmod classify list PATH...`; its options are below. A folder that has the name of
a subcommand is written `./train`.

    rmod classify kicks/

    rmod classify samples loop.wav --out classes.csv

    rmod classify samples --format json | jq '.sounds[] | select(.kind == "clap") | .path' > claps.txt

A class below the calibrated confidence is not named: `?` stands there, and the guess in brackets. `-` stands for a file
that cannot be classified, with the reason. Exits with 1 if there are such files.
"""


class ListingGroup(DefaultGroup):
    """A command that lists files unless the first word names a subcommand; its help shows the options of the list."""

    default_command = "list"

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the group with arguments and options of its default command."""
        # This group is only printed; it parses nothing.
        shown = DefaultGroup(
            name=self.name,
            commands=dict(self.commands),
            help=self.help,
            rich_markup_mode=self.rich_markup_mode,
            params=[param for param in self.commands[self.default_command].get_params(ctx) if param.name != "help"],
            subcommand_metavar="| COMMAND [ARGS]...",
        )
        shown.format_help(ctx, formatter)


app = typer.Typer(no_args_is_help=True, cls=ListingGroup, rich_markup_mode="markdown", help=HELP)

app.command("list", cls=Command, help=LIST_HELP)(list_command)
app.command("train", cls=Command, help=TRAIN_HELP)(train)
app.command("compare", cls=Command, help=COMPARE_HELP)(compare)
