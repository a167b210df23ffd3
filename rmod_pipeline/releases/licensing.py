"""Find which sounds a release uses, and under which licences."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributedSound:
    """One sound that released pairs use."""

    file: str
    """The id of the sound in its library, such as ``kick/audiophob/tom-0105``."""
    kind: str
    creator: str
    """Who made it, as far as its source or its kit says; empty if nothing says it."""
    source: str
    """Where it is from; empty if unknown."""
    licence: str
    """An SPDX expression; empty if unknown."""
    sha256: str
    """Of the file, in hexadecimal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Licensing:
    """The sounds of a release and what their licences say together."""

    sounds: tuple[AttributedSound, ...]
    """Exactly the sounds of the released pairs, sorted by file."""
    expression: str
    """One SPDX expression for the whole. A sound of unknown licence stands in it as LicenseRef-rmod-unknown."""
    allowed: tuple[str, ...]
    """Licences that forbid a release or are unknown, and that the user allowed by name."""
