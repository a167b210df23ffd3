"""Kernel of the loudness: the K-weighting of ITU-R BS.1770-4, on eight channels at once, in doubles."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.lanes import store_columns
from rmod_pipeline.effects.engines.fused.kernels.layout import BLOCK_FRAMES, FULL_SCALE, VECTOR_BYTES
from rmod_pipeline.effects.engines.fused.kernels.memory import (
    load,
    load_address,
    load_doubles,
    load_shorts,
    store,
)
from rmod_pipeline.effects.engines.fused.kernels.vectors import fill, transpose, widen

DOUBLES_BYTES = 64
"""Bytes of a vector of doubles."""


@helper
def _shorts_to_lanes(rows: Any, start: Any, frames: Any, lanes: Any) -> None:
    """Write 16-bit frames [start, start + frames) of eight rows to ``lanes`` [frames, 8], full scale being 1."""
    scale = fill(np.float32(FULL_SCALE))
    for frame in range(0, frames, 8):
        at = (start + frame) * 2
        columns = transpose(
            (
                load_shorts(load_address(rows) + at) / scale,
                load_shorts(load_address(rows + 8) + at) / scale,
                load_shorts(load_address(rows + 16) + at) / scale,
                load_shorts(load_address(rows + 24) + at) / scale,
                load_shorts(load_address(rows + 32) + at) / scale,
                load_shorts(load_address(rows + 40) + at) / scale,
                load_shorts(load_address(rows + 48) + at) / scale,
                load_shorts(load_address(rows + 56) + at) / scale,
            )
        )
        store_columns(lanes + frame * VECTOR_BYTES, columns, VECTOR_BYTES)


@inlined
def _weighted(x: Any, s1: Any, s2: Any, c: Any) -> Any:
    """Return the output of one section and its next two states; ``c`` is the address of its coefficients."""
    y = x * load_doubles(c) + s1
    return (
        y,
        x * load_doubles(c + 64) - y * load_doubles(c + 192) + s2,
        x * load_doubles(c + 128) - y * load_doubles(c + 256),
    )


def sum_weighted(rows: Any, frames: Any, bounds: Any, parts: Any, sums: Any, coefficients: Any, scratch: Any) -> None:
    """Write the sums of squares of eight K-weighted 16-bit channels between bounds; all but the counts are addresses.

    rows: of eight addresses of channels with ``frames`` frames, rounded up to 8. bounds: [parts + 1] 64-bit integers,
    the first 0 and the last ``frames`` at most. sums: [parts, 8] doubles. coefficients: [2, 5, 8] doubles, b0, b1, b2,
    a1, a2 of two sections. scratch: [BLOCK_FRAMES, 8] floats, then [5, 8] doubles, zeros: four states and a sum.
    """
    states = scratch + BLOCK_FRAMES * VECTOR_BYTES
    zero = widen(fill(np.float32(0)))
    part, end = 0, load_address(bounds + 8)
    for start in range(0, frames, BLOCK_FRAMES):
        stop = min(start + BLOCK_FRAMES, frames)
        _shorts_to_lanes(rows, start, (stop - start + 7) // 8 * 8, scratch)
        p1, p2 = load_doubles(states), load_doubles(states + DOUBLES_BYTES)
        q1, q2 = load_doubles(states + 2 * DOUBLES_BYTES), load_doubles(states + 3 * DOUBLES_BYTES)
        total = load_doubles(states + 4 * DOUBLES_BYTES)
        frame = start
        while frame < stop:
            until = min(stop, end)
            while frame < until:
                x = widen(load(scratch + (frame - start) * VECTOR_BYTES))
                y, p1, p2 = _weighted(x, p1, p2, coefficients)
                z, q1, q2 = _weighted(y, q1, q2, coefficients + 5 * DOUBLES_BYTES)
                total = total + z * z
                frame += 1
            if frame == end and part < parts:
                store(sums + part * DOUBLES_BYTES, total)
                total = zero
                part += 1
                end = load_address(bounds + 8 * (part + 1)) if part < parts else frames + 1
        store(states, p1)
        store(states + DOUBLES_BYTES, p2)
        store(states + 2 * DOUBLES_BYTES, q1)
        store(states + 3 * DOUBLES_BYTES, q2)
        store(states + 4 * DOUBLES_BYTES, total)
