"""Kernels of 16-bit samples: conversion and levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.layout import FULL_SCALE, SUM_FRAMES
from rmod_pipeline.effects.engines.fused.kernels.memory import (
    add_double,
    load,
    load_shorts,
    store_address,
    store_shorts,
)
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    absolute,
    any_not_equal,
    fill,
    lane,
    larger,
    rounded,
    smaller,
    where_larger,
)


def to_shorts(source: Any, gain: Any, to: Any, frames: Any, broken_frames: Any) -> None:
    """Round frames of a channel times a gain to 16 bit, clipped.

    frames: how many, a multiple of 8. broken_frames: the address of a 64-bit 0, which becomes 1 unless all are finite.
    """
    scale, one, minus_one = fill(np.float32(FULL_SCALE)), fill(np.float32(1)), fill(np.float32(-1))
    amount, broken = fill(gain), fill(np.float32(0))
    for frame in range(0, frames, 8):
        x = load(source + frame * 4) * amount
        broken = broken + (x - x)  # NaN for infinity and NaN, else 0
        store_shorts(to + frame * 2, rounded(larger(smaller(x, one), minus_one) * scale))
    if any_not_equal(broken, broken):
        store_address(broken_frames, 1)


def measure_shorts(left: Any, right: Any, frames: Any, out: Any) -> None:
    """Add to eight doubles at ``out``, zeros, what is measured.

    They are the sums of squares of left, right, middle and side; peak, clipped samples, range of the mean.
    """
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
    most, last_high, last_low = lane(peak, 0), lane(highest, 0), lane(lowest, 0)
    for index in range(1, 8):
        most = max(most, lane(peak, index))
        last_high = max(last_high, lane(highest, index))
        last_low = min(last_low, lane(lowest, index))
    add_double(out, squares_left)
    add_double(out + 8, squares_right)
    add_double(out + 16, squares_middle)
    add_double(out + 24, squares_side)
    add_double(out + 32, np.float64(most))
    add_double(out + 40, clipped)
    add_double(out + 48, np.float64(last_high))
    add_double(out + 56, np.float64(last_low))
