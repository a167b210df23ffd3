"""`rmod`: parse, call, print. Heavy imports stay inside the commands: help must not wait for them."""

from __future__ import annotations

import logging
import os
import signal
import sys
from typing import Annotated, NoReturn

import typer

from rmod_pipeline import __version__
from rmod_pipeline.cli import (
    build,
    codec,
    dose,
    evaluate,
    extract,
    library,
    pairs,
    preview,
    recipe,
    status,
    tokens,
    train,
    verify,
)
from rmod_pipeline.cli.help_format import Command, Group
from rmod_pipeline.errors import RmodError

USER_MISTAKE = 2
INTERRUPTED = 130

app = typer.Typer(
    name="rmod",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""
Make training data for models that pull drum one-shots out of music.

**To start**, with the sounds that come with it:

    rmod build quick --library builtin --out demo --pairs train=12

    rmod preview demo

**With your own sounds:**

    rmod library scan ~/Samples --out ~/Samples/library.csv

    rmod build rmod --library ~/Samples/library.csv --out OUT --pairs train=1000,valid=100,test=100 --workers 4

    rmod verify OUT --rerender 20

A build, an encoding or a training that was stopped goes on when its command is given again. Exit codes: 0 done, 1 done
with findings or failures, 2 a mistake in what was given, 130 stopped.
""",
)

app.add_typer(library.app, name="library", help="Turn folders of sounds into a library: scan, check.")
app.add_typer(recipe.app, name="recipe", help="What a data set is to be: show, check, schema.")
app.add_typer(codec.app, name="codec", help="What turns audio into tokens: list, fetch, show, train.")
app.add_typer(dose.app, name="dose", help="Models that take one-shots out of mixtures: import.")
app.command("build", cls=Command)(build.build)
app.command("status", cls=Command)(status.status)
app.command("verify", cls=Command)(verify.verify)
app.command("show", cls=Command)(pairs.show)
app.command("render", cls=Command)(pairs.render)
app.command("encode", cls=Command)(tokens.encode)
app.command("decode", cls=Command)(tokens.decode)
app.command("evaluate", cls=Command)(evaluate.evaluate)
app.command("preview", cls=Command)(preview.preview)
app.command("extract", cls=Command)(extract.extract)
app.command("train", cls=Command)(train.train)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rmod {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is going on.")] = False,
) -> None:
    from rmod_pipeline.pipeline.log_context import configure_logging

    configure_logging(logging.INFO if verbose else logging.WARNING)


def main() -> NoReturn:
    """Run the command line: 0 is done, 1 is done with findings, 2 is a mistake that you can mend."""
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    # A job that is told to end does as on Ctrl-C: everything finished stays.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        app(prog_name="rmod")
        sys.stdout.flush()
    except RmodError as error:
        _complain(str(error))
    except BrokenPipeError:
        # The reader has gone (`rmod show OUT | head`): nothing is wrong, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit as end:
        # So typer ends every command, one that was stopped too.
        if stopped or end.code == INTERRUPTED:
            _say_stopped()
        raise
    except Exception:
        # An interrupt in the middle of an import may come out as another error.
        if stopped:
            _say_stopped()
        raise
    sys.exit(0)


def _say_stopped() -> NoReturn:
    kept = "What is finished is kept; a build, an encoding or a training goes on when its command is given again."
    typer.echo(f"\nStopped. {kept}", err=True)
    sys.exit(INTERRUPTED)


def _complain(message: str) -> NoReturn:
    typer.secho(f"Error: {message}", fg=typer.colors.RED, err=True)
    sys.exit(USER_MISTAKE)
