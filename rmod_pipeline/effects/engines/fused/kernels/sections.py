"""Kernels of second-order sections, on as many rows at once as there are lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.lanes import from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    AT_ONCE,
    BLOCK_FRAMES,
    LANES,
    LANES_BYTES,
    SUM_FRAMES,
    TABLE_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import load_lanes, store
from rmod_pipeline.effects.engines.fused.kernels.peaks import end_rows, measure_block
from rmod_pipeline.effects.engines.fused.kernels.vectors import absolute, fill_lanes, where_larger

SNAP_FRAMES = 8192
"""Frames after which tiny states become zero, as in the reference."""
TINY = np.float32(1e-8)
SECTION_BYTES = 5 * LANES_BYTES
STATE_BYTES = 2 * LANES_BYTES


@inlined
def _load_section(c: Any) -> Any:
    """Return the five coefficients at an address."""
    return (
        load_lanes(c),
        load_lanes(c + LANES_BYTES),
        load_lanes(c + 2 * LANES_BYTES),
        load_lanes(c + 3 * LANES_BYTES),
        load_lanes(c + 4 * LANES_BYTES),
    )


@inlined
def _section(x: Any, s1: Any, s2: Any, c: Any) -> Any:
    """Return the output of one section with the coefficients ``c``, and its next two states."""
    y = x * c[0] + s1
    return y, (x * c[1] - y * c[3]) + s2, x * c[2] - y * c[4]


@inlined
def _snapped(state: Any) -> Any:
    """Return a state with zeros in place of tiny numbers."""
    return where_larger(absolute(state), fill_lanes(TINY), state, fill_lanes(np.float32(0)))


@helper
def _run_four(lanes: Any, frames: Any, c: Any, states: Any) -> None:
    q, r, t = states + STATE_BYTES, states + 2 * STATE_BYTES, states + 3 * STATE_BYTES
    p1, p2 = load_lanes(states), load_lanes(states + LANES_BYTES)
    q1, q2 = load_lanes(q), load_lanes(q + LANES_BYTES)
    r1, r2 = load_lanes(r), load_lanes(r + LANES_BYTES)
    t1, t2 = load_lanes(t), load_lanes(t + LANES_BYTES)
    # Loaded once: the compiler cannot know that what is written in the loop does not change them.
    first, second = _load_section(c), _load_section(c + SECTION_BYTES)
    third, fourth = _load_section(c + 2 * SECTION_BYTES), _load_section(c + 3 * SECTION_BYTES)
    for at in range(lanes, lanes + frames * LANES_BYTES, LANES_BYTES):
        x, p1, p2 = _section(load_lanes(at), p1, p2, first)
        x, q1, q2 = _section(x, q1, q2, second)
        x, r1, r2 = _section(x, r1, r2, third)
        x, t1, t2 = _section(x, t1, t2, fourth)
        store(at, x)
    store(states, p1)
    store(states + LANES_BYTES, p2)
    store(q, q1)
    store(q + LANES_BYTES, q2)
    store(r, r1)
    store(r + LANES_BYTES, r2)
    store(t, t1)
    store(t + LANES_BYTES, t2)


def filter_rows(
    inputs: Any,
    outputs: Any,
    rows: Any,
    frames: Any,
    audio: Any,
    levels: Any,
    gains: Any,
    coefficients: Any,
    sections: Any,
    scratch: Any,
) -> None:
    """Filter rows, times gains, by a multiple of 4 sections in series, and measure them.

    All arguments but the four counts are addresses. inputs, outputs: of LANES addresses of rows, which may be the same.
    rows: how many of these count. frames: a multiple of 1024, of which ``audio`` count. levels: a record per row, as in
    ``measure_block``. gains: [LANES] floats. coefficients: [sections, 5, LANES] floats. scratch: [sections, 2, LANES]
    floats and [BLOCK_FRAMES, LANES] floats, zeros.
    """
    states = scratch
    lanes = scratch + sections * STATE_BYTES
    gain = load_lanes(gains)
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        if start % SNAP_FRAMES == 0:
            for state in range(states, lanes, LANES_BYTES):
                store(state, _snapped(load_lanes(state)))
        to_lanes(inputs, rows, start, count, lanes)
        for at in range(lanes, lanes + count * LANES_BYTES, LANES_BYTES):
            store(at, load_lanes(at) * gain)
        for first in range(0, sections, AT_ONCE):
            _run_four(lanes, count, coefficients + first * SECTION_BYTES, states + first * STATE_BYTES)
        from_lanes(lanes, outputs, rows, start, count)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, rows, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, rows, audio, levels)


def filter_rows_once(
    inputs: Any,
    outputs: Any,
    rows: Any,
    frames: Any,
    audio: Any,
    levels: Any,
    gains: Any,
    coefficients: Any,
    scratch: Any,
) -> None:
    """Filter up to two times LANES rows, times gains, by one section, and measure them.

    While one half waits for its last result, the other computes. All arguments but the counts are addresses. inputs,
    outputs: of two times LANES addresses of rows, which may be the same. rows: how many of these count. frames: a
    multiple of 1024, of which ``audio`` count. levels: a record per row, as in ``measure_block``. gains: [2, LANES]
    floats. coefficients: [2, 5, LANES] floats. scratch: two times [BLOCK_FRAMES, LANES] floats, zeros.
    """
    other = scratch + BLOCK_FRAMES * LANES_BYTES
    section, other_section = _load_section(coefficients), _load_section(coefficients + SECTION_BYTES)
    gain, other_gain = load_lanes(gains), load_lanes(gains + LANES_BYTES)
    p1 = p2 = q1 = q2 = fill_lanes(np.float32(0))
    some, others = min(rows, LANES), rows - LANES
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        if start % SNAP_FRAMES == 0:
            p1, p2, q1, q2 = _snapped(p1), _snapped(p2), _snapped(q1), _snapped(q2)
        to_lanes(inputs, some, start, count, scratch)
        to_lanes(inputs + TABLE_BYTES, others, start, count, other)
        for at in range(0, count * LANES_BYTES, LANES_BYTES):
            x, p1, p2 = _section(load_lanes(scratch + at) * gain, p1, p2, section)
            y, q1, q2 = _section(load_lanes(other + at) * other_gain, q1, q2, other_section)
            store(scratch + at, x)
            store(other + at, y)
        from_lanes(scratch, outputs, some, start, count)
        from_lanes(other, outputs + TABLE_BYTES, others, start, count)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, rows, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, rows, audio, levels)
