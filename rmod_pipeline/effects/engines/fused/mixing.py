"""Kernels of sums, echoes and levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import kernel
from rmod_pipeline.effects.engines.fused.vectors import (
    absolute,
    fill,
    lane,
    larger,
    load,
    load_address,
    load_float,
    store,
    store_float,
)

SUM_FRAMES = 1024
"""Squares are summed in float32 over this many frames, and in float64 over the sums."""


@kernel
def combine(rows: Any, gains: Any, count: Any, to: Any, frames: Any) -> None:
    """Write the sum of rows times their gains. rows, gains: addresses of ``count`` addresses and floats; to: a row."""
    for at in range(0, frames * 4, 32):
        total = load(load_address(rows) + at) * fill(load_float(gains))
        for number in range(1, count):
            total = total + load(load_address(rows + 8 * number) + at) * fill(load_float(gains + 4 * number))
        store(to + at, total)


@kernel
def echo(source: Any, to: Any, frames: Any, delay: Any, feedback: Any) -> None:
    """Write the echoes of a row to another: y[n] = x[n - delay] + feedback y[n - delay]; delay: 1 frame at least."""
    zero, back = np.float32(0), fill(feedback)
    for frame in range(min(delay, frames)):
        store_float(to + frame * 4, zero)
    frame = delay
    if delay >= 8:
        while frame + 8 <= frames:
            last = (frame - delay) * 4
            store(to + frame * 4, load(source + last) + load(to + last) * back)
            frame += 8
    while frame < frames:
        last = (frame - delay) * 4
        store_float(to + frame * 4, load_float(source + last) + load_float(to + last) * feedback)
        frame += 1


@kernel
def measure(row: Any, frames: Any) -> Any:
    """Return the sum of squares of a row, and its largest absolute frame."""
    squares = 0.0
    highest, zero = fill(np.float32(0)), fill(np.float32(0))
    whole = frames - frames % 8
    for start in range(0, whole, SUM_FRAMES):
        total = zero
        for frame in range(start, min(start + SUM_FRAMES, whole), 8):
            x = load(row + frame * 4)
            total = total + x * x
            highest = larger(highest, absolute(x))
        for index in range(8):
            squares += np.float64(lane(total, index))
    peak = np.float32(0)
    for index in range(8):
        peak = max(peak, lane(highest, index))
    for frame in range(whole, frames):
        x = load_float(row + frame * 4)
        squares += np.float64(x) * np.float64(x)
        peak = max(peak, abs(x))
    return squares, np.float64(peak)
