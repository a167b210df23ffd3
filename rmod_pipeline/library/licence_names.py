"""Read licences as people write them: SPDX identifiers in options and tables, and licences in the names of packs."""

from __future__ import annotations

import re

from rmod_pipeline.errors import UsageError

_SPDX = re.compile(r"\(?[A-Za-z0-9.+-]+\)?(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*")
"""The form of an SPDX expression; whether SPDX lists its identifiers is not looked up."""
_CC0 = re.compile(r"\bcc[ _-]?0\b|\bpublic[ _-]domain\b", re.IGNORECASE)
"""CC0, cc-0, public domain."""
_CC_BY = re.compile(r"\bcc[ _-]by((?:[ _-](?:nc|sa|nd))*)[ _-](\d\.\d)\b", re.IGNORECASE)
"""CC-BY-4.0, cc by-nc-sa 3.0: without a version it is no licence."""


def parse_licence(text: str) -> str:
    """Return a licence unchanged; an empty text stands for an unknown one.

    Raises UsageError if it does not have the form of an SPDX expression.
    """
    if text and not _SPDX.fullmatch(text):
        hint = "write an SPDX identifier (CC0-1.0, CC-BY-4.0, MIT) or LicenseRef-NAME"
        raise UsageError("--licence", f"{text!r} is not an SPDX identifier", hint)
    return text


def guess_licence(text: str) -> str:
    """Return the Creative Commons licence that a path mentions; empty if it mentions none."""
    if match := _CC_BY.search(text):
        return f"CC-BY{match[1].upper().replace(' ', '-').replace('_', '-')}-{match[2]}"
    return "CC0-1.0" if _CC0.search(text) else ""
