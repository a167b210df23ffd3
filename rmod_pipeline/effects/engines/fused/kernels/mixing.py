"""Kernels of sums, echoes and levels."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    LEVELS_BYTES,
    LINE_BYTES,
    SUM_BYTES,
    SUM_FRAMES,
    TRACK_BYTES,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import (
    add_double,
    load,
    load_address,
    load_float,
    prefetch,
    store,
    store_float,
)
from rmod_pipeline.effects.engines.fused.kernels.peaks import end_record, measure_part
from rmod_pipeline.effects.engines.fused.kernels.vectors import absolute, fill, lane, larger

_TRACK_FRAMES = 16 * SUM_FRAMES
"""Frames of a track's channel that are summed before the next channel: a processor reads ahead in its few rows."""


@inlined
def _combine_at(rows: Any, gains: Any, count: Any, at: Any) -> Any:
    """Return eight frames, ``at`` bytes from the start, of the sum of rows times their gains; see ``combine``."""
    total = load(load_address(rows) + at) * fill(load_float(gains))
    for number in range(1, count):
        total = total + load(load_address(rows + 8 * number) + at) * fill(load_float(gains + 4 * number))
    return total


@inlined
def _begin_next(row: Any, at: Any) -> None:
    """Begin to fetch the next block of a row: the processor does not foresee it, because other rows come first."""
    if at % LINE_BYTES == 0:
        prefetch(row + at + SUM_BYTES)


@helper
def _sum_two(one: Any, other: Any, gain: Any, other_gain: Any, to: Any, size: Any) -> None:
    """Write the sum of ``size`` bytes of two rows times their gains."""
    amount, other_amount = fill(gain), fill(other_gain)
    for at in range(0, size, VECTOR_BYTES):
        _begin_next(one, at)
        _begin_next(other, at)
        store(to + at, load(one + at) * amount + load(other + at) * other_amount)


@helper
def _add_two(one: Any, other: Any, gain: Any, other_gain: Any, to: Any, size: Any) -> None:
    """Add ``size`` bytes of two rows, first the one, then the other, times their gains."""
    amount, other_amount = fill(gain), fill(other_gain)
    for at in range(0, size, VECTOR_BYTES):
        _begin_next(one, at)
        _begin_next(other, at)
        store(to + at, load(to + at) + load(one + at) * amount + load(other + at) * other_amount)


@helper
def _add_one(one: Any, gain: Any, to: Any, size: Any) -> None:
    """Add ``size`` bytes of a row times its gain."""
    amount = fill(gain)
    for at in range(0, size, VECTOR_BYTES):
        _begin_next(one, at)
        store(to + at, load(to + at) + load(one + at) * amount)


@helper
def _write_one(one: Any, gain: Any, to: Any, size: Any) -> None:
    """Write ``size`` bytes of a row times its gain."""
    amount = fill(gain)
    for at in range(0, size, VECTOR_BYTES):
        _begin_next(one, at)
        store(to + at, load(one + at) * amount)


@helper
def _sum_rows(rows: Any, gains: Any, count: Any, at: Any, to: Any, size: Any) -> None:
    """Write ``size`` bytes of the sum of rows times their gains, ``at`` bytes from their start; see ``combine``.

    A block goes through the rows two at a time: with all rows at once, each of its frames would read all addresses and
    gains again. The sums are those of ``_combine_at``.
    """
    if count == 1:
        _write_one(load_address(rows) + at, load_float(gains), to, size)
        return
    _sum_two(load_address(rows) + at, load_address(rows + 8) + at, load_float(gains), load_float(gains + 4), to, size)
    for number in range(2, count - 1, 2):
        row, gain = rows + 8 * number, gains + 4 * number
        _add_two(load_address(row) + at, load_address(row + 8) + at, load_float(gain), load_float(gain + 4), to, size)
    if count % 2:
        last = count - 1
        _add_one(load_address(rows + 8 * last) + at, load_float(gains + 4 * last), to, size)


def combine(rows: Any, gains: Any, count: Any, to: Any, frames: Any) -> None:
    """Write the sum of rows times their gains. rows, gains: addresses of ``count`` addresses and floats; to: a row."""
    for start in range(0, frames * 4, SUM_BYTES):
        _sum_rows(rows, gains, count, start, to + start, min(SUM_BYTES, frames * 4 - start))


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


def measure(row: Any, frames: Any, record: Any) -> None:
    """Write to a record of LEVELS_BYTES, zeros, the sum of squares of a row and its largest absolute frame: doubles."""
    whole = (frames - frames % 8) * 4
    for start in range(0, whole, SUM_BYTES):
        measure_part(row, start, min(start + SUM_BYTES, whole), record)
    end_record(row, frames, record)


@helper
def _sum_block(
    rows: Any, gains: Any, count: Any, at: Any, frames: Any, scratch: Any, total: Any, to: Any, levels: Any
) -> None:
    """Sum a block of a channel into ``scratch``, add it to the total, and its squares and its peak to ``levels``.

    at: bytes from the start of a row. frames: how many frames of the block are audio; the rest becomes silence.
    ``to``: a row that also gets the block, or 0.
    """
    zero = fill(np.float32(0))
    _sum_rows(rows, gains, count, at, scratch, SUM_BYTES)
    for frame in range(max(frames, 0), SUM_FRAMES):
        store_float(scratch + frame * 4, np.float32(0))
    squares, highest = zero, load(levels + 8)
    for here in range(0, SUM_BYTES, 32):
        x = load(scratch + here)
        squares = squares + x * x
        highest = larger(highest, absolute(x))
        store(total + at + here, load(total + at + here) + x)
    store(levels + 8, highest)
    for index in range(8):
        add_double(levels, np.float64(lane(squares, index)))
    if to:
        for here in range(0, SUM_BYTES, 32):
            store(to + at + here, load(scratch + here))


def add_tracks(tracks: Any, count: Any, to_left: Any, to_right: Any, frames: Any, levels: Any, scratch: Any) -> None:
    """Write the sum of tracks, which are sums of rows, to two rows, and measure each track and the sum on the way.

    tracks: [count, 2] records of TRACK_BYTES, of the left and the right channel. A record has the address of its rows'
    addresses, that of their gains, their count, and a row that gets the channel, or 0. Then come a double and a vector,
    both 0, for the sum of squares and the largest absolute frames. ``frames``: of audio; what rows hold after it does
    not count. levels: two records of LEVELS_BYTES, of the rows, zeros. scratch: a block.
    """
    zero, whole = fill(np.float32(0)), (frames - frames % 8) * 4
    for first in range(0, frames, _TRACK_FRAMES):
        last = min(first + _TRACK_FRAMES, frames)
        for start in range(first, last, SUM_FRAMES):
            for here in range(start * 4, start * 4 + SUM_BYTES, 32):
                store(to_left + here, zero)
                store(to_right + here, zero)
        for number in range(2 * count):
            record = tracks + number * TRACK_BYTES
            for start in range(first, last, SUM_FRAMES):
                _sum_block(
                    load_address(record),
                    load_address(record + 8),
                    load_address(record + 16),
                    start * 4,
                    min(SUM_FRAMES, frames - start),
                    scratch,
                    to_right if number % 2 else to_left,
                    load_address(record + 24),
                    record + 32,
                )
        for start in range(first, last, SUM_FRAMES):
            stop = min(start * 4 + SUM_BYTES, whole)
            measure_part(to_left, start * 4, stop, levels)
            measure_part(to_right, start * 4, stop, levels + LEVELS_BYTES)
    end_record(to_left, frames, levels)
    end_record(to_right, frames, levels + LEVELS_BYTES)


def sum_windows(left: Any, right: Any, starts: Any, count: Any, length: Any, frames: Any, sums: Any) -> None:
    """Add the sums of squares, in mono, of windows of a track, which end with the audio at the latest.

    left, right: records as in ``add_tracks``. starts: ``count`` 64-bit integers. length, frames: of a window and of the
    audio. sums: ``count`` doubles, zeros.
    """
    half = fill(np.float32(0.5))
    for number in range(count):
        start = load_address(starts + 8 * number)
        end = min(start + length, frames)
        total = fill(np.float32(0))
        squares = 0.0
        frame = start
        while frame < end:
            x = _combine_at(load_address(left), load_address(left + 8), load_address(left + 16), frame * 4)
            y = _combine_at(load_address(right), load_address(right + 8), load_address(right + 16), frame * 4)
            mono = (x + y) * half
            if frame + 8 <= end:
                total = total + mono * mono
            else:
                for index in range(end - frame):
                    squares += np.float64(lane(mono, index)) * np.float64(lane(mono, index))
            frame += 8
        for index in range(8):
            squares += np.float64(lane(total, index))
        add_double(sums + 8 * number, squares)
