"""Move rows of audio into lanes and back: rows of frames become frames of lanes.

A recurrence works on one row, frame by frame. A vector with a float of each of several rows costs as much as one float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    ADDRESS_BYTES,
    FLOAT_BYTES,
    LANES_BYTES,
    LINE_BYTES,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import (
    load,
    load_address,
    prefetch_rows,
    prefetch_rows_to_write,
    store,
)
from rmod_pipeline.effects.engines.fused.kernels.vectors import transpose

ZERO = np.int64(0)
"""For a plain number as an argument, numba compiles another version of the function that gets it."""
AHEAD_BYTES = 1024
"""How far ahead of the frames that are moved a row is fetched: a processor reads ahead in a few rows only."""


@inlined
def _find_rows(table: Any) -> Any:
    """Return the eight addresses at an address."""
    return (
        load_address(table),
        load_address(table + 8),
        load_address(table + 16),
        load_address(table + 24),
        load_address(table + 32),
        load_address(table + 40),
        load_address(table + 48),
        load_address(table + 56),
    )


@inlined
def store_columns(to: Any, columns: Any, step: Any) -> None:
    """Write eight vectors, ``step`` bytes apart."""
    store(to, columns[0])
    store(to + step, columns[1])
    store(to + 2 * step, columns[2])
    store(to + 3 * step, columns[3])
    store(to + 4 * step, columns[4])
    store(to + 5 * step, columns[5])
    store(to + 6 * step, columns[6])
    store(to + 7 * step, columns[7])


@helper
def to_lanes(rows: Any, count: Any, start: Any, frames: Any, lanes: Any) -> None:
    """Write frames [start, start + frames) of rows to ``lanes`` [frames, LANES]; both divide by 8.

    rows: the address of addresses. count: of rows, LANES at most; it is rounded up to 8, and other lanes are left as
    they are.
    """
    for first in range(0, count, 8):
        eight = _find_rows(rows + first * ADDRESS_BYTES)
        a, b, c, d, e, f, g, h = eight
        to = lanes + first * FLOAT_BYTES
        for at in range(start * FLOAT_BYTES, (start + frames) * FLOAT_BYTES, VECTOR_BYTES):
            columns = transpose(
                (
                    load(a + at),
                    load(b + at),
                    load(c + at),
                    load(d + at),
                    load(e + at),
                    load(f + at),
                    load(g + at),
                    load(h + at),
                )
            )
            if at % LINE_BYTES == 0:
                prefetch_rows(eight, at + AHEAD_BYTES)
            store_columns(to, columns, LANES_BYTES)
            to += 8 * LANES_BYTES


@helper
def from_lanes(lanes: Any, rows: Any, count: Any, start: Any, frames: Any) -> None:
    """Write ``lanes`` [frames, LANES] to frames [start, start + frames) of rows; the inverse of ``to_lanes``."""
    for first in range(0, count, 8):
        eight = _find_rows(rows + first * ADDRESS_BYTES)
        a, b, c, d, e, f, g, h = eight
        source = lanes + first * FLOAT_BYTES
        for at in range(start * FLOAT_BYTES, (start + frames) * FLOAT_BYTES, VECTOR_BYTES):
            columns = transpose(
                (
                    load(source),
                    load(source + LANES_BYTES),
                    load(source + 2 * LANES_BYTES),
                    load(source + 3 * LANES_BYTES),
                    load(source + 4 * LANES_BYTES),
                    load(source + 5 * LANES_BYTES),
                    load(source + 6 * LANES_BYTES),
                    load(source + 7 * LANES_BYTES),
                )
            )
            store(a + at, columns[0])
            store(b + at, columns[1])
            store(c + at, columns[2])
            store(d + at, columns[3])
            store(e + at, columns[4])
            store(f + at, columns[5])
            store(g + at, columns[6])
            store(h + at, columns[7])
            if at % LINE_BYTES == 0:
                prefetch_rows_to_write(eight, at + AHEAD_BYTES)
            source += 8 * LANES_BYTES
