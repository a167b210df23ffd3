"""From the character of a kit to one sound of it.

A kit describes each instrument by one record, the middle of what its sounds are. A sound is that record with every
number drawn around the middle, by as much as its field says: sounds of a kit differ, and still belong together.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, field, fields, replace
from typing import Any, TypeVar

from rmod_pipeline.draw import Draw

Record = TypeVar("Record")

_SPREAD = "spread"


def varies(spread: float, default: Any = MISSING) -> Any:
    """Declare a field that differs from sound to sound: by a factor of up to e**spread, up or down."""
    return field(default=default, metadata={_SPREAD: spread})


def vary(record: Record, draw: Draw, amount: float = 1.0) -> Record:
    """Return the record with its numbers moved, each by a draw of its own name; fields without a spread stay."""
    changed = {each.name: _moved(record, each, draw, amount) for each in _varying(record)}
    return replace(record, **changed)  # type: ignore[type-var]


def _varying(record: object) -> list[Field[Any]]:
    return [each for each in fields(record) if _SPREAD in each.metadata]  # type: ignore[arg-type]


def _moved(record: object, each: Field[Any], draw: Draw, amount: float) -> float:
    position = 2.0 * draw.at(each.name).uniform() - 1.0
    return float(getattr(record, each.name) * math.exp(amount * each.metadata[_SPREAD] * position))
