"""Kernel of second-order sections in series, on eight rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import inlined, kernel
from rmod_pipeline.effects.engines.fused.kernels.lanes import BLOCK_FRAMES, VECTOR_BYTES, from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.vectors import absolute, fill, load, store, where_larger

SNAP_FRAMES = 8192
"""Frames after which tiny states become zero, as in the reference."""
TINY = np.float32(1e-8)
AT_ONCE = 4
"""Sections in one pass: while one waits for its last result, the others compute."""
SECTION_BYTES = 5 * VECTOR_BYTES
STATE_BYTES = 2 * VECTOR_BYTES


@inlined
def _section(x: Any, s1: Any, s2: Any, c: Any) -> Any:
    """Return the output of one section and its next two states; ``c`` is the address of its coefficients."""
    y = x * load(c) + s1
    return y, (x * load(c + 32) - y * load(c + 96)) + s2, x * load(c + 64) - y * load(c + 128)


@kernel
def _run_one(lanes: Any, frames: Any, c: Any, states: Any) -> None:
    s1, s2 = load(states), load(states + 32)
    for frame in range(frames):
        at = lanes + frame * VECTOR_BYTES
        x, s1, s2 = _section(load(at), s1, s2, c)
        store(at, x)
    store(states, s1)
    store(states + 32, s2)


@kernel
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


@kernel
def filter_rows(
    inputs: Any, outputs: Any, frames: Any, gains: Any, coefficients: Any, sections: Any, scratch: Any
) -> None:
    """Filter eight rows, times gains, by 1 section, or by a multiple of 4, in series.

    All arguments but the two counts are addresses. inputs, outputs: of eight addresses of rows with ``frames`` frames,
    a multiple of 8; they may be the same. gains: [8] floats. coefficients: [sections, 5, 8] floats. scratch:
    [sections, 2, 8] floats, zeros, and [BLOCK_FRAMES, 8] floats.
    """
    states = scratch
    lanes = scratch + sections * STATE_BYTES
    tiny, zero, gain = fill(TINY), fill(np.float32(0)), load(gains)
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        if start % SNAP_FRAMES == 0:
            for number in range(2 * sections):
                state = load(states + number * VECTOR_BYTES)
                store(states + number * VECTOR_BYTES, where_larger(absolute(state), tiny, state, zero))
        to_lanes(inputs, start, count, lanes)
        for at in range(lanes, lanes + count * VECTOR_BYTES, VECTOR_BYTES):
            store(at, load(at) * gain)
        if sections == 1:
            _run_one(lanes, count, coefficients, states)
        else:
            for first in range(0, sections, AT_ONCE):
                _run_four(lanes, count, coefficients + first * SECTION_BYTES, states + first * STATE_BYTES)
        from_lanes(lanes, outputs, start, count)
