"""What can be wrong with a DOSE model or with what it is given."""

from __future__ import annotations

from rmod_pipeline.errors import RmodError


class DoseError(RmodError):
    """A model cannot be had, is not what was asked for, or is given what it cannot take."""


class ForeignFile(DoseError):
    """A file that can be read, but holds something else than a DOSE model."""
