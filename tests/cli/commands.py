"""Parse the `rmod` commands in messages with the real command line, without running them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import typer.main

from rmod_pipeline.cli import app

_BACKTICKED = re.compile(r"`(rmod [^`\n]*)`")
_AFTER_ARROW = re.compile(r"(?:-> |Next: |; |See: )(rmod [^`;\n]*)")


def find_commands(text: str) -> list[str]:
    """Return the commands in a message: between backticks, and after an arrow or "Next:"."""
    return _BACKTICKED.findall(text) + _AFTER_ARROW.findall(text)


def parse_command(command: str) -> None:
    """Parse a command as a shell and `rmod` do. Raises the error of either."""
    words = shlex.split(command, comments=True)[1:]
    group: Any = typer.main.get_command(app)
    while hasattr(group, "commands"):
        default = getattr(group, "default_command", None)
        is_named = default is None or (words and words[0] in group.commands)
        group = group.commands[words.pop(0) if is_named else default]
    group.make_context(group.name, words)


def check_commands(text: str) -> list[str]:
    """Assert that every command in a message parses, and return them."""
    commands = find_commands(text)
    for command in commands:
        try:
            parse_command(command)
        except Exception as error:  # of the shell, of Typer, or of a parser of rmod
            raise AssertionError(f"{command!r} is no command of rmod: {error!r}") from error
    return commands
