"""Check the names of kinds, recipes, sends and splits.

These names become parts of file names, so one rule holds for all of them: ``kick``, ``tom_low``, ``hat2``.
"""

from __future__ import annotations

import re
import unicodedata

NAME = r"^[a-z][a-z0-9_]*$"
"""The rule as a regular expression."""

NAME_IN_WORDS = "small letters, digits and _, and begins with a letter"
"""The rule for error messages; it completes "a name has ..."."""

_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Return whether a text follows the rule."""
    return _NAME.fullmatch(text) is not None


def nearest_name(text: str) -> str:
    """Return the most similar valid name, such as ``tom_low`` for ``Tom-Low``; empty if there is none."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = decomposed.encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return name if is_name(name) else ""
