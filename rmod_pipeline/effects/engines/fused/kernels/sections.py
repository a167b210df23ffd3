"""Kernel of second-order sections in series, on eight rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.lanes import ONE, from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    AT_ONCE,
    BLOCK_FRAMES,
    SUM_FRAMES,
    TABLE_BYTES,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.peaks import end_rows, measure_block
from rmod_pipeline.effects.engines.fused.kernels.vectors import absolute, fill, load, store, where_larger

SNAP_FRAMES = 8192
"""Frames after which tiny states become zero, as in the reference."""
TINY = np.float32(1e-8)
SECTION_BYTES = 5 * VECTOR_BYTES
STATE_BYTES = 2 * VECTOR_BYTES


@inlined
def _section(x: Any, s1: Any, s2: Any, c: Any) -> Any:
    """Return the output of one section and its next two states; ``c`` is the address of its coefficients."""
    y = x * load(c) + s1
    return y, (x * load(c + 32) - y * load(c + 96)) + s2, x * load(c + 64) - y * load(c + 128)


@inlined
def _snapped(state: Any) -> Any:
    """Return a state with zeros in place of tiny numbers."""
    return where_larger(absolute(state), fill(TINY), state, fill(np.float32(0)))


@helper
def _run_four(lanes: Any, frames: Any, c: Any, states: Any) -> None:
    p1, p2, q1, q2 = load(states), load(states + 32), load(states + 64), load(states + 96)
    r1, r2, t1, t2 = load(states + 128), load(states + 160), load(states + 192), load(states + 224)
    for frame in range(frames):
        at = lanes + frame * VECTOR_BYTES
        x, p1, p2 = _section(load(at), p1, p2, c)
        x, q1, q2 = _section(x, q1, q2, c + 160)
        x, r1, r2 = _section(x, r1, r2, c + 320)
        x, t1, t2 = _section(x, t1, t2, c + 480)
        store(at, x)
    store(states, p1)
    store(states + 32, p2)
    store(states + 64, q1)
    store(states + 96, q2)
    store(states + 128, r1)
    store(states + 160, r2)
    store(states + 192, t1)
    store(states + 224, t2)


def filter_rows(
    inputs: Any,
    outputs: Any,
    frames: Any,
    audio: Any,
    levels: Any,
    gains: Any,
    coefficients: Any,
    sections: Any,
    scratch: Any,
) -> None:
    """Filter eight rows, times gains, by a multiple of 4 sections in series, and measure them.

    All arguments but the three counts are addresses. inputs, outputs: of eight addresses of rows, which may be the
    same. frames: a multiple of 1024, of which ``audio`` count. levels: eight records, as in ``measure_block``. gains:
    [8] floats. coefficients: [sections, 5, 8] floats. scratch: [sections, 2, 8] floats, zeros, and [BLOCK_FRAMES, 8]
    floats.
    """
    states = scratch
    lanes = scratch + sections * STATE_BYTES
    gain = load(gains)
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        if start % SNAP_FRAMES == 0:
            for state in range(states, lanes, VECTOR_BYTES):
                store(state, _snapped(load(state)))
        to_lanes(inputs, start, count, lanes)
        for at in range(lanes, lanes + count * VECTOR_BYTES, VECTOR_BYTES):
            store(at, load(at) * gain)
        for first in range(0, sections, AT_ONCE):
            _run_four(lanes, count, coefficients + first * SECTION_BYTES, states + first * STATE_BYTES)
        from_lanes(lanes, outputs, start, count)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, ONE, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, ONE, audio, levels)


def filter_rows_once(
    inputs: Any,
    outputs: Any,
    frames: Any,
    audio: Any,
    levels: Any,
    halves: Any,
    gains: Any,
    coefficients: Any,
    scratch: Any,
) -> None:
    """Filter eight rows or sixteen, 1 or 2 ``halves``, times gains, by one section, and measure them.

    While one half waits for its last result, the other computes. All arguments but the counts are addresses. inputs,
    outputs: of sixteen addresses of rows with ``frames`` frames, a multiple of 1024, of which ``audio`` count; they may
    be the same. levels: sixteen records, as in ``measure_block``. gains: [2, 8] floats. coefficients: [2, 5, 8] floats.
    scratch: two times [BLOCK_FRAMES, 8] floats, zeros.
    """
    other, c = scratch + BLOCK_FRAMES * VECTOR_BYTES, coefficients + SECTION_BYTES
    gain, other_gain = load(gains), load(gains + VECTOR_BYTES)
    p1 = p2 = q1 = q2 = fill(np.float32(0))
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        if start % SNAP_FRAMES == 0:
            p1, p2, q1, q2 = _snapped(p1), _snapped(p2), _snapped(q1), _snapped(q2)
        to_lanes(inputs, start, count, scratch)
        if halves > 1:
            to_lanes(inputs + TABLE_BYTES, start, count, other)
        for at in range(0, count * VECTOR_BYTES, VECTOR_BYTES):
            x, p1, p2 = _section(load(scratch + at) * gain, p1, p2, coefficients)
            y, q1, q2 = _section(load(other + at) * other_gain, q1, q2, c)
            store(scratch + at, x)
            store(other + at, y)
        from_lanes(scratch, outputs, start, count)
        if halves > 1:
            from_lanes(other, outputs + TABLE_BYTES, start, count)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, halves, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, halves, audio, levels)
