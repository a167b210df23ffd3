"""`rmod`: parse, call the API, print. Heavy imports stay inside the commands, so that help does not wait for them."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from rmod_pipeline import __version__
from rmod_pipeline.cli.build import build
from rmod_pipeline.cli.decode import decode
from rmod_pipeline.cli.encode import encode
from rmod_pipeline.cli.evaluate import evaluate
from rmod_pipeline.cli.extract import extract
from rmod_pipeline.cli.features import features
from rmod_pipeline.cli.groups import classify, codec, dose, kit, library, patterns, recipe, release
from rmod_pipeline.cli.groups.help_format import Command, Group
from rmod_pipeline.cli.import_pairs import import_pairs
from rmod_pipeline.cli.preview import preview
from rmod_pipeline.cli.render import render
from rmod_pipeline.cli.report import report
from rmod_pipeline.cli.show import show
from rmod_pipeline.cli.status import status
from rmod_pipeline.cli.train import train
from rmod_pipeline.cli.verify import verify
from rmod_pipeline.errors import RmodError

USER_MISTAKE = 2
INTERRUPTED = 130

STOPPED = "What is finished is kept; a build, an encoding or a training resumes when its command is given again."
STOPPED_BY_COMMAND = {
    "classify": "Sounds that were classified are known when the same command is given again.",
    "extract": "Nothing of this extraction is kept; the same command begins anew.",
    "kit": "Files that were listened to are known when the same command is given again.",
    "library": "What is finished is kept; the same command continues.",
}
"""What remains of commands that cannot be resumed."""

_ENVIRONMENT_ERRNOS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE),
    *(errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
)
"""Errors of a disk, a path or a limit of the system, which a user can correct."""

app = typer.Typer(
    name="rmod",
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""
Make training data for models that extract drum one-shots from music.

**To start**, with the sounds that come with it:

    rmod build quick --library builtin --out first --pairs train=12

    rmod preview first

**With your own sounds:**

    rmod library scan ~/Samples --out ~/Samples/library.csv

    rmod build rmod --library ~/Samples/library.csv --out OUT --pairs train=1000,valid=100,test=100 --workers 4

    rmod verify OUT --rerender 20

A build, an encoding or a training that was stopped resumes when its command is given again. Exit codes: 0 done, 1 done
with findings or failures, 2 a mistake in the input, 130 stopped.
""",
)

app.add_typer(library.app, name="library", help="Folders of sounds: scan, check, organise, harvest, near, map.")
app.add_typer(classify.app, name="classify", help=classify.HELP)
app.add_typer(patterns.app, name="patterns", help="Scan folders of MIDI performances into grooves: scan, check.")
app.add_typer(recipe.app, name="recipe", help="What a data set holds: show, check, schema.")
app.add_typer(codec.app, name="codec", help="Codecs, which turn audio into tokens: list, fetch, show, train.")
app.add_typer(dose.app, name="dose", help="DOSE models, which extract one-shots from mixtures: import.")
app.add_typer(kit.app, name="kit", help="Drum kits from sounds that are no drums: make, play.")
app.add_typer(release.app, name="release", help=release.HELP)
for command in (
    *(build, import_pairs, status, verify, report, show, render),
    *(encode, features, decode, preview, train, extract, evaluate),
):
    app.command(command.__name__.replace("_", "-"), cls=Command)(command)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rmod {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print more log messages.")] = False,
) -> None:
    from rmod_pipeline.pipeline.log_context import configure_logging

    configure_logging(logging.INFO if verbose else logging.WARNING)


def main() -> None:
    """Run the command line. Exits with 0 (done), 1 (findings or failures), 2 (bad input) or 130 (stopped)."""
    _use_utf8()
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    # SIGTERM acts like Ctrl-C: everything finished stays.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        _run()
    except RmodError as error:
        _print_error(error.in_shell())
    except BrokenPipeError:
        # The reader has gone (`rmod show OUT | head`); that is not an error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except SystemExit as end:
        # Typer ends every command this way, also one that was stopped.
        if stopped or end.code == INTERRUPTED:
            _exit_stopped()
        raise
    except Exception as error:
        # An interrupt in the middle of an import may surface as another error.
        if stopped:
            _exit_stopped()
        if isinstance(error, OSError) and error.errno in _ENVIRONMENT_ERRNOS:
            _print_system_error(error)
        raise


def _run() -> None:
    """Run the command, which ends by SystemExit. Raises BrokenPipeError if the reader of its output has gone."""
    try:
        app(prog_name="rmod")
    except SystemExit as end:
        # Typer makes a failure of it.
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        # What is still to be written would otherwise meet the closed pipe when Python ends.
        sys.stdout.flush()
        raise


def _use_utf8() -> None:
    """Run in UTF-8 mode, and print what the terminal cannot show as ``?``.

    File names and manifests are UTF-8 whatever the locale says, so that a manifest works on any machine. Python fixes
    the encoding of file names when it starts, so in another locale the command starts itself again.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        encoding = sys.stdout.encoding or "ascii"
        environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": f"{encoding}:replace"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _exit_stopped() -> NoReturn:
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    typer.echo(f"\nStopped. {STOPPED_BY_COMMAND.get(command, STOPPED)}", err=True)
    sys.exit(INTERRUPTED)


def _print_system_error(error: OSError) -> NoReturn:
    """Print an error of a disk, a path or a limit of the system without a traceback."""
    if error.filename is None:
        # Standard output may be a file on a full disk. Python must not flush it again at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    about = error.filename or "a file or the output"
    _print_error(f"{about}: {error.strerror}\n  -> free space, or check the path and its permissions")


def _print_error(message: str) -> NoReturn:
    typer.secho(f"Error: {message}", fg=typer.colors.RED, err=True)
    sys.exit(USER_MISTAKE)
