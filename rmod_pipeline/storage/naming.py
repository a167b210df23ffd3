"""What kinds, recipes, sends and splits may be called: they become parts of file names, so one rule holds for all."""

from __future__ import annotations

import re
import unicodedata

NAME = r"^[a-z][a-z0-9_]*$"
NAME_IN_WORDS = "small letters, digits and _, and begins with a letter"

_NAME = re.compile(NAME)


def is_name(text: str) -> bool:
    """Say whether a text is a name as it stands."""
    return _NAME.fullmatch(text) is not None


def nearest_name(text: str) -> str:
    """Return the name that a text was probably meant for, ``tom_low`` for ``Tom-Low``; empty if it holds none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    return name if is_name(name) else ""
