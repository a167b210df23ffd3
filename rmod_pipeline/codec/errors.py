"""What can be wrong with a codec or its tokens."""

from __future__ import annotations

from rmod_pipeline.errors import RmodError


class CodecError(RmodError):
    """A codec cannot be had, is not what was asked for, or is given what it cannot take."""
