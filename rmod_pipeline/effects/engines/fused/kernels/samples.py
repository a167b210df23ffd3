"""Kernels of 16-bit samples: conversion and levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import kernel
from rmod_pipeline.effects.engines.fused.kernels.mixing import SUM_FRAMES
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    absolute,
    any_not_equal,
    fill,
    lane,
    larger,
    load,
    load_shorts,
    rounded,
    smaller,
    store_shorts,
    where_larger,
)

FULL_SCALE = 32767.0


@kernel
def to_shorts(source: Any, gain: Any, to: Any, frames: Any) -> Any:
    """Round frames of a channel times a gain to 16 bit, clipped. Return whether all are finite.

    frames: how many, a multiple of 8.
    """
    scale, one, minus_one = fill(np.float32(FULL_SCALE)), fill(np.float32(1)), fill(np.float32(-1))
    amount, broken = fill(gain), fill(np.float32(0))
    for frame in range(0, frames, 8):
        x = load(source + frame * 4) * amount
        broken = broken + (x - x)  # NaN for infinity and NaN, else 0
        store_shorts(to + frame * 2, rounded(larger(smaller(x, one), minus_one) * scale))
    return not any_not_equal(broken, broken)


@kernel
def measure_shorts(left: Any, right: Any, frames: Any, out: Any) -> None:
    """Write to ``out``: sums of squares of left, right, middle and side; peak, clipped samples, range of the mean."""
    scale, half = fill(np.float32(FULL_SCALE)), fill(np.float32(0.5))
    zero, one = fill(np.float32(0)), fill(np.float32(1))
    almost = fill(np.float32(FULL_SCALE - 0.5))
    squares_left = squares_right = squares_middle = squares_side = clipped = 0.0
    highest, lowest = fill(np.float32(-2)), fill(np.float32(2))
    peak = zero
    for start in range(0, frames, SUM_FRAMES):
        sum_left = sum_right = sum_middle = sum_side = count = zero
        for frame in range(start, min(start + SUM_FRAMES, frames), 8):
            whole_l, whole_r = load_shorts(left + frame * 2), load_shorts(right + frame * 2)
            x, y = whole_l / scale, whole_r / scale
            middle, side = (x + y) * half, (x - y) * half
            sum_left, sum_right = sum_left + x * x, sum_right + y * y
            sum_middle, sum_side = sum_middle + middle * middle, sum_side + side * side
            peak = larger(peak, larger(absolute(x), absolute(y)))
            highest, lowest = larger(highest, middle), smaller(lowest, middle)
            count = count + where_larger(absolute(whole_l), almost, one, zero)
            count = count + where_larger(absolute(whole_r), almost, one, zero)
        for index in range(8):
            squares_left += np.float64(lane(sum_left, index))
            squares_right += np.float64(lane(sum_right, index))
            squares_middle += np.float64(lane(sum_middle, index))
            squares_side += np.float64(lane(sum_side, index))
            clipped += np.float64(lane(count, index))
    out[0], out[1], out[2], out[3], out[5] = squares_left, squares_right, squares_middle, squares_side, clipped
    out[4], out[6], out[7] = lane(peak, 0), lane(highest, 0), lane(lowest, 0)
    for index in range(1, 8):
        out[4] = max(out[4], lane(peak, index))
        out[6] = max(out[6], lane(highest, index))
        out[7] = min(out[7], lane(lowest, index))
