"""Levels of rows: the sum of squares and the largest absolute frame, of one row or of several as they are written."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    ADDRESS_BYTES,
    LEVELS_BYTES,
    SUM_FRAMES,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import (
    add_double,
    load,
    load_address,
    load_double,
    load_float,
    store,
    store_double,
)
from rmod_pipeline.effects.engines.fused.kernels.vectors import absolute, fill, lane, larger


@helper
def measure_part(row: Any, start: Any, stop: Any, record: Any) -> None:
    """Add bytes [start, stop) of a row, at most ``SUM_FRAMES`` frames, to its record."""
    total, highest = fill(np.float32(0)), load(record + VECTOR_BYTES)
    for at in range(row + start, row + stop, VECTOR_BYTES):
        x = load(at)
        total = total + x * x
        highest = larger(highest, absolute(x))
    store(record + VECTOR_BYTES, highest)
    for index in range(8):
        add_double(record, np.float64(lane(total, index)))


@helper
def end_record(row: Any, frames: Any, record: Any) -> None:
    """Complete the record of a row of whole vectors with the frames after them: two doubles."""
    squares, highest, peak = load_double(record), load(record + VECTOR_BYTES), np.float32(0)
    for index in range(8):
        peak = max(peak, lane(highest, index))
    for frame in range(frames - frames % 8, frames):
        x = load_float(row + frame * 4)
        squares += np.float64(x) * np.float64(x)
        peak = max(peak, abs(x))
    store_double(record, squares)
    store_double(record + 8, np.float64(peak))


@helper
def _measure_four(rows: Any, start: Any, stop: Any, levels: Any) -> None:
    """Add bytes [start, stop) of four rows to their records: while one waits for its last sum, the others compute."""
    a, b, c, d = load_address(rows), load_address(rows + 8), load_address(rows + 16), load_address(rows + 24)
    total_a = total_b = total_c = total_d = fill(np.float32(0))
    high = levels + VECTOR_BYTES
    high_a, high_b = load(high), load(high + LEVELS_BYTES)
    high_c, high_d = load(high + 2 * LEVELS_BYTES), load(high + 3 * LEVELS_BYTES)
    for at in range(start, stop, VECTOR_BYTES):
        x = load(a + at)
        total_a = total_a + x * x
        high_a = larger(high_a, absolute(x))
        x = load(b + at)
        total_b = total_b + x * x
        high_b = larger(high_b, absolute(x))
        x = load(c + at)
        total_c = total_c + x * x
        high_c = larger(high_c, absolute(x))
        x = load(d + at)
        total_d = total_d + x * x
        high_d = larger(high_d, absolute(x))
    store(high, high_a)
    store(high + LEVELS_BYTES, high_b)
    store(high + 2 * LEVELS_BYTES, high_c)
    store(high + 3 * LEVELS_BYTES, high_d)
    for index in range(8):
        add_double(levels, np.float64(lane(total_a, index)))
        add_double(levels + LEVELS_BYTES, np.float64(lane(total_b, index)))
        add_double(levels + 2 * LEVELS_BYTES, np.float64(lane(total_c, index)))
        add_double(levels + 3 * LEVELS_BYTES, np.float64(lane(total_d, index)))


@helper
def measure_block(rows: Any, count: Any, start: Any, frames: Any, levels: Any) -> None:
    """Add the block of rows that begins at frame ``start`` to their records, while it is in the cache.

    rows: the address of addresses. count: of rows; it is rounded up to 4. frames: of audio in a row; those after it do
    not count. levels: the address of a record per row, zeros at first, or 0.
    """
    stop = min(start + SUM_FRAMES, frames - frames % 8)
    if levels and start < stop:
        for first in range(0, count, 4):
            _measure_four(rows + first * ADDRESS_BYTES, start * 4, stop * 4, levels + first * LEVELS_BYTES)


@helper
def end_rows(rows: Any, count: Any, frames: Any, levels: Any) -> None:
    """Complete the records of rows, for the same arguments."""
    if levels:
        for row in range(count):
            end_record(load_address(rows + row * ADDRESS_BYTES), frames, levels + row * LEVELS_BYTES)
