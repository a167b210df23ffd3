"""Open the library that a command names; the built-in kit is made first, with a bar, where it is not there yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rmod_pipeline.library.asset import Library

MOST_PROCESSES = 8
"""To make the kit with: more would take longer to start than they save."""


def open_library(name: str) -> Library:
    """Read a manifest, or make and read the built-in kit. Raises UsageError or ManifestError."""
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.library.manifest import BUILTIN, load_library

    if name == BUILTIN:
        try:
            make_builtin()
        except OSError as error:
            about = error.filename or "the built-in kit"
            hint = "let the environment variable RMOD_CACHE name a folder that you can write to"
            raise UsageError(about, f"cannot be written: {error.strerror or error}", hint) from error
    return load_library(name)


def make_builtin() -> None:
    """Make what is missing of the built-in kit: some twenty seconds of a core the first time, nothing later."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from rmod_pipeline.library.builtin_kit import ensure_builtin

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("built-in kit", total=None, visible=False)
        told = False

        def on_sound(done: int, total: int) -> None:
            nonlocal told
            if not told:
                told = True
                typer.echo(f"Making the built-in kit, {total} sounds, once.", err=True)
            bar.update(task, completed=done, total=total, visible=True)

        ensure_builtin(on_sound=on_sound, workers=min(os.cpu_count() or 1, MOST_PROCESSES))
