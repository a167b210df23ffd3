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


def _bare_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params
