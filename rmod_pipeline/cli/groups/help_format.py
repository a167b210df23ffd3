"""How `--help` looks: a flag takes no value, so no type is named beside it."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command whose flags stand bare in its help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return options and arguments, `--help` too."""
        return _bare_flags(super().get_params(ctx))


class Group(TyperGroup):
    """A command that holds others, and whose flags stand bare in its help."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return options and arguments, `--help` too."""
        return _bare_flags(super().get_params(ctx))


class DefaultGroup(Group):
    """A command that holds others, and hands everything that names none of them to its command ``make``."""

    default_command = "make"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``make`` before arguments that name no command; ``--help`` alone is that of the group."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.default_command, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def _bare_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params
