"""Escape text of users for Markdown, so that a name or a source is shown as it is and never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_MARKUP = re.compile(r"([\\`*_\[\]|~$])")
_LINE_START = re.compile(r"^(\s*)(?:([#+=-])|(\d+)([.)])(?=\s|$))")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class SafeMarkdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


def escape_markdown(value: Any) -> SafeMarkdown:
    """Return a value as one line of Markdown that shows its characters as they are."""
    if isinstance(value, SafeMarkdown):
        return value
    text = re.sub(r"\s+", " ", str(value))
    text = "".join(_ENTITIES.get(character, character) for character in text)
    text = _MARKUP.sub(r"\\\1", text)
    return SafeMarkdown(_LINE_START.sub(_escape_line_start, text))


def _escape_line_start(match: re.Match[str]) -> str:
    """Escape what would begin a heading, a list or an underlined heading, should the text begin a line."""
    space, sign, number, stop = match.groups(default="")
    return f"{space}\\{sign}" if sign else f"{space}{number}\\{stop}"


def as_code(value: Any) -> SafeMarkdown:
    """Return a value as inline code on one line; backticks in it stay."""
    text = " ".join(str(value).split())
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return SafeMarkdown(f"{fence}{space}{text}{space}{fence}" if text else "")


def as_block(value: Any, language: str = "") -> SafeMarkdown:
    """Return text as a fenced block, whose fence is longer than any in the text."""
    text = str(value).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return SafeMarkdown(f"{fence}{language}\n{text}\n{fence}")


def format_count(value: float) -> SafeMarkdown:
    """Return a whole number with separators of thousands: 1,234."""
    return SafeMarkdown(f"{value:,.0f}")


def format_decimals(value: float, decimals: int = 1) -> SafeMarkdown:
    """Return a number with a fixed number of decimals, without a minus before zero."""
    text = f"{value:,.{decimals}f}"
    return SafeMarkdown(text[1:] if re.fullmatch(r"-0(\.0+)?", text) else text)


def format_size(value: int) -> SafeMarkdown:
    """Return a size in decimal units: 12.3 MB."""
    size, unit = float(value), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return SafeMarkdown(f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}")


def format_hours(hours: float) -> SafeMarkdown:
    """Return a length: 4.2 hours, or minutes below one hour."""
    return SafeMarkdown(f"{hours:,.1f} hours" if hours >= 1 else f"{hours * 60:,.1f} minutes")


def join_words(values: Iterable[Any]) -> SafeMarkdown:
    """Return values as a list in a sentence: a, b and c."""
    words = [escape_markdown(value) for value in values]
    if len(words) < 2:
        return SafeMarkdown("".join(words))
    return SafeMarkdown(f"{', '.join(words[:-1])} and {words[-1]}")
