"""Kernel of the reverb: Freeverb, eight frames at once, because its shortest delay is longer.

Each comb damps its feedback by a one-pole low-pass. Its next eight outputs follow from the last one and eight inputs by
three rounds of shifted sums (a prefix scan) in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import inlined, kernel
from rmod_pipeline.effects.engines.fused.vectors import (
    fill,
    lane,
    load,
    load_address,
    load_float,
    shift,
    store,
    store_address,
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
def _smooth(output: Any, last: Any, d: Any, powers: Any) -> Any:
    """Return eight frames of the damped output, and the last of them in all lanes.

    d: vectors of 1 - damping, of its powers 1, 2 and 4, and of its eighth power.
    """
    zero = fill(np.float32(0))
    smooth = output * d[0]
    smooth = smooth + shift(smooth, zero, 1) * d[1]
    smooth = smooth + shift(smooth, zero, 2) * d[2]
    smooth = smooth + shift(smooth, zero, 4) * d[3]
    # The last frame is computed by itself: so the next vector waits for two operations, and not for the sums.
    return smooth + last * powers, fill(lane(smooth, 7)) + last * d[4]


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
def _run_combs(source: Any, total: Any, rings: Any, states: Any, parameters: Any) -> None:
    """Add a block of the outputs of two combs to ``total``: while one waits for its last result, the other computes.

    rings: the address of the records of both. states: of the last frame of each, eight times.
    """
    start, size, position, delay = _read_ring(rings)
    other_start, other_size, other_position, other_delay = _read_ring(rings + RING_BYTES)
    back, damping = fill(load_float(parameters + 8)), load_float(parameters + 12)
    powers = load(parameters + 32)
    d = (
        fill(np.float32(1) - damping),
        fill(lane(powers, 0)),
        fill(lane(powers, 1)),
        fill(lane(powers, 3)),
        fill(lane(powers, 7)),
    )
    last, other_last = load(states), load(states + 32)
    for at in range(0, BLOCK_BYTES, 32):
        output = load(start + _find(position, size, delay))
        other = load(other_start + _find(other_position, other_size, other_delay))
        store(total + at, (load(total + at) + output) + other)
        smooth, last = _smooth(output, last, d, powers)
        other_smooth, other_last = _smooth(other, other_last, d, powers)
        x = load(source + at)
        position = _put(start, size, position, x + smooth * back)
        other_position = _put(other_start, other_size, other_position, x + other_smooth * back)
    store(states, last)
    store(states + 32, other_last)
    store_address(rings + 16, position)
    store_address(rings + RING_BYTES + 16, other_position)


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
def reverberate(left: Any, right: Any, to_left: Any, to_right: Any, frames: Any, parameters: Any, rings: Any) -> None:
    """Write the reverb of two rows to two rows of ``frames``, a multiple of BLOCK_FRAMES; all others are addresses.

    parameters: floats: gain of the left and of the right input, feedback, damping, gain of a channel's own reverb and of
    the other's, two unused; eight powers of damping; zeros [16, 8], the last frames of the combs. rings: [24] records, then
    three blocks. The rings hold zeros.
    """
    gain_left, gain_right = fill(load_float(parameters)), fill(load_float(parameters + 4))
    own, crossed = fill(load_float(parameters + 16)), fill(load_float(parameters + 20))
    source = rings + 2 * _PER_CHANNEL * RING_BYTES
    zero = fill(np.float32(0))
    for start in range(0, frames * 4, BLOCK_BYTES):
        for at in range(0, BLOCK_BYTES, 32):
            store(source + at, load(left + start + at) * gain_left + load(right + start + at) * gain_right)
        for channel in range(2):
            total = source + (1 + channel) * BLOCK_BYTES
            for at in range(0, BLOCK_BYTES, 32):
                store(total + at, zero)
            first = channel * _PER_CHANNEL
            for comb in range(0, _COMBS, 2):
                states = parameters + 64 + (channel * _COMBS + comb) * 32
                _run_combs(source, total, rings + (first + comb) * RING_BYTES, states, parameters)
            for all_pass in range(_COMBS, _PER_CHANNEL, 2):
                _run_all_passes(total, rings + (first + all_pass) * RING_BYTES)
        for at in range(0, BLOCK_BYTES, 32):
            wet_left, wet_right = load(source + BLOCK_BYTES + at), load(source + 2 * BLOCK_BYTES + at)
            store(to_left + start + at, wet_left * own + wet_right * crossed)
            store(to_right + start + at, wet_right * own + wet_left * crossed)
