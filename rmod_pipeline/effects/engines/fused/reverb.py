"""Kernel of the reverb: Freeverb, eight frames at once, because its shortest delay is longer.

Each comb damps its feedback by a one-pole low-pass, frame by frame. The eight combs of a channel fill the lanes of a
vector there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import inlined, kernel
from rmod_pipeline.effects.engines.fused.vectors import (
    fill,
    load,
    load_address,
    load_float,
    store,
    store_address,
    transpose,
)

COMB_FRAMES = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)
ALL_PASS_FRAMES = (556, 441, 341, 225)
SPREAD_FRAMES = 23
"""The delays of the right channel are longer by this."""
REFERENCE_RATE = 44_100
INPUT_GAIN = 0.015
BLOCK_FRAMES = 1024
BLOCK_BYTES = 4 * BLOCK_FRAMES
RING_WORDS = 4
"""64-bit words of a ring's record: its address, its size and its next position in bytes, and its delay in bytes."""
RING_BYTES = 8 * RING_WORDS
TABLE_BYTES = 16 * 8 + 32
"""Addresses of eight combs to read from and to write to, and their last frames."""
_COMBS, _ALL_PASSES = len(COMB_FRAMES), len(ALL_PASS_FRAMES)
_PER_CHANNEL = _COMBS + _ALL_PASSES


def list_delays(sample_rate: int) -> list[int]:
    """Return the delays in frames: combs and all-passes of the left channel, then those of the right."""
    delays = (*COMB_FRAMES, *ALL_PASS_FRAMES)
    return [sample_rate * (delay + spread) // REFERENCE_RATE for spread in (0, SPREAD_FRAMES) for delay in delays]


@inlined
def _read_ring(ring: Any) -> Any:
    """Return the four numbers of a ring's record."""
    return load_address(ring), load_address(ring + 8), load_address(ring + 16), load_address(ring + 24)


@inlined
def _find(position: Any, size: Any, delay: Any) -> Any:
    """Return where in a ring the eight frames are that were written ``delay`` before ``position``; all in bytes."""
    oldest = position - delay
    return oldest + size if oldest < 0 else oldest


@inlined
def _put(start: Any, size: Any, position: Any, value: Any) -> Any:
    """Write eight frames to a ring, and return the next position. Its first eight are repeated after its end."""
    store(start + position, value)
    if position == 0:
        store(start + size, value)
    position += 32
    return 0 if position == size else position


@kernel
def _run_combs(source: Any, total: Any, count: Any, table: Any, parameters: Any) -> None:
    """Write the sum of the outputs of eight combs to ``total``, ``count`` bytes. Each comb is a lane of its low-pass.

    table: 8 addresses to read from and 8 to write to, none of which reaches the end of its ring; then the last frames.
    """
    back, damping = fill(load_float(parameters + 8)), load_float(parameters + 12)
    direct, kept = fill(np.float32(1) - damping), fill(damping)
    last = load(table + 128)
    for at in range(0, count, 32):
        a, b = load(load_address(table) + at), load(load_address(table + 8) + at)
        c, d = load(load_address(table + 16) + at), load(load_address(table + 24) + at)
        e, f = load(load_address(table + 32) + at), load(load_address(table + 40) + at)
        g, h = load(load_address(table + 48) + at), load(load_address(table + 56) + at)
        store(total + at, ((((((a + b) + c) + d) + e) + f) + g) + h)
        frames = transpose((a, b, c, d, e, f, g, h))
        first = frames[0] * direct + last * kept
        second = frames[1] * direct + first * kept
        third = frames[2] * direct + second * kept
        fourth = frames[3] * direct + third * kept
        fifth = frames[4] * direct + fourth * kept
        sixth = frames[5] * direct + fifth * kept
        seventh = frames[6] * direct + sixth * kept
        last = frames[7] * direct + seventh * kept
        smooth = transpose((first, second, third, fourth, fifth, sixth, seventh, last))
        x = load(source + at)
        store(load_address(table + 64) + at, x + smooth[0] * back)
        store(load_address(table + 72) + at, x + smooth[1] * back)
        store(load_address(table + 80) + at, x + smooth[2] * back)
        store(load_address(table + 88) + at, x + smooth[3] * back)
        store(load_address(table + 96) + at, x + smooth[4] * back)
        store(load_address(table + 104) + at, x + smooth[5] * back)
        store(load_address(table + 112) + at, x + smooth[6] * back)
        store(load_address(table + 120) + at, x + smooth[7] * back)
    store(table + 128, last)


@kernel
def _run_block(source: Any, total: Any, rings: Any, table: Any, parameters: Any) -> None:
    """Write a block of the sum of eight combs, in parts between the ends of their rings; see ``_run_combs``."""
    done = 0
    while done < BLOCK_BYTES:
        count = BLOCK_BYTES - done
        for comb in range(_COMBS):
            start, size, position, delay = _read_ring(rings + comb * RING_BYTES)
            oldest = _find(position, size, delay)
            store_address(table + comb * 8, start + oldest)
            store_address(table + 64 + comb * 8, start + position)
            # What is read must have been written. The beginning of a ring is repeated after its end, so it goes alone.
            count = min(
                count, 32 if position == 0 else size - position, (size - oldest + 31) // 32 * 32, delay // 32 * 32
            )
        _run_combs(source + done, total + done, count, table, parameters)
        for comb in range(_COMBS):
            start, size, position, _ = _read_ring(rings + comb * RING_BYTES)
            if position == 0:
                store(start + size, load(start))
            position += count
            store_address(rings + comb * RING_BYTES + 16, 0 if position == size else position)
        done += count


@kernel
def _run_all_passes(block: Any, rings: Any) -> None:
    """Replace a block by the output of two all-passes in series."""
    start, size, position, delay = _read_ring(rings)
    next_start, next_size, next_position, next_delay = _read_ring(rings + RING_BYTES)
    half = fill(np.float32(0.5))
    for at in range(0, BLOCK_BYTES, 32):
        x = load(block + at)
        output = load(start + _find(position, size, delay))
        position = _put(start, size, position, x + output * half)
        x = output - x
        output = load(next_start + _find(next_position, next_size, next_delay))
        next_position = _put(next_start, next_size, next_position, x + output * half)
        store(block + at, output - x)
    store_address(rings + 16, position)
    store_address(rings + RING_BYTES + 16, next_position)


@kernel
def reverberate_rows(
    left: Any, right: Any, to_left: Any, to_right: Any, frames: Any, parameters: Any, rings: Any
) -> None:
    """Write the reverb of two rows to two rows of ``frames``, a multiple of BLOCK_FRAMES; all others are addresses.

    parameters: floats: gain of the left and of the right input, feedback, damping, gain of a channel's own reverb and
    of the other's. rings: [24] records, then three blocks and two tables, zeros. The rings hold zeros.
    """
    gain_left, gain_right = fill(load_float(parameters)), fill(load_float(parameters + 4))
    own, crossed = fill(load_float(parameters + 16)), fill(load_float(parameters + 20))
    source = rings + 2 * _PER_CHANNEL * RING_BYTES
    for start in range(0, frames * 4, BLOCK_BYTES):
        for at in range(0, BLOCK_BYTES, 32):
            store(source + at, load(left + start + at) * gain_left + load(right + start + at) * gain_right)
        for channel in range(2):
            total = source + (1 + channel) * BLOCK_BYTES
            first = channel * _PER_CHANNEL
            table = source + 3 * BLOCK_BYTES + channel * TABLE_BYTES
            _run_block(source, total, rings + first * RING_BYTES, table, parameters)
            for all_pass in range(_COMBS, _PER_CHANNEL, 2):
                _run_all_passes(total, rings + (first + all_pass) * RING_BYTES)
        for at in range(0, BLOCK_BYTES, 32):
            wet_left, wet_right = load(source + BLOCK_BYTES + at), load(source + 2 * BLOCK_BYTES + at)
            store(to_left + start + at, wet_left * own + wet_right * crossed)
            store(to_right + start + at, wet_right * own + wet_left * crossed)
