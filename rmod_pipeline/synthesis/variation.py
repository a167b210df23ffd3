"""Vary the parameters of a kit's instrument from sound to sound.

A kit describes each instrument by one record, which holds the central values. Each sound uses a copy of the record in
which every variable number is drawn around its central value, within the range that the field declares. So the sounds
of a kit differ, but remain similar.
"""

from __future__ import annotations

import math
from dataclasses import MISSING, Field, field, fields, replace
from typing import Any, TypeVar

from rmod_pipeline.draw import Draw

Record = TypeVar("Record")

_LOG_RANGE = "log_range"


def variable_field(log_range: float, default: Any = MISSING) -> Any:
    """Declare a dataclass field that varies between sounds by a factor of exp(-log_range) to exp(log_range)."""
    return field(default=default, metadata={_LOG_RANGE: log_range})


def vary(record: Record, draw: Draw) -> Record:
    """Return a copy of the record in which each variable field is drawn by its own name; other fields stay."""
    variable = [record_field for record_field in fields(record) if _LOG_RANGE in record_field.metadata]  # type: ignore[arg-type]
    return replace(record, **{record_field.name: _vary_value(record, record_field, draw) for record_field in variable})  # type: ignore[type-var]


def _vary_value(record: object, record_field: Field[Any], draw: Draw) -> float:
    position = 2.0 * draw.at(record_field.name).uniform() - 1.0
    return float(getattr(record, record_field.name) * math.exp(record_field.metadata[_LOG_RANGE] * position))
