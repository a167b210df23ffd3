"""Kernel of the reverb: Freeverb, eight frames at once, because its shortest delay is longer.

Each comb damps its feedback by a one-pole low-pass. Its next eight outputs follow from the last one and eight inputs by
three rounds of shifted sums (a prefix scan) in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

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


@njit(cache=True, nogil=True)
def _run_comb(source: Any, total: Any, ring: Any, state: Any, feedback: Any, damping: Any) -> None:
    """Add a block of a comb's output to ``total``. ring: the address of its record. state: of its last frame, 8 times."""
    start, size, position, delay = (
        load_address(ring),
        load_address(ring + 8),
        load_address(ring + 16),
        load_address(ring + 24),
    )
    back = fill(feedback)
    squared = damping * damping
    fourth = squared * squared
    d1, d2, d4, direct = fill(damping), fill(squared), fill(fourth), fill(np.float32(1) - damping)
    powers = load(state + 32)
    # The last frame again in all lanes, by itself: so the next vector waits for two operations, and not for the sums.
    last, last_power, zero = load(state), fill(lane(powers, 7)), fill(np.float32(0))
    for at in range(0, BLOCK_BYTES, 32):
        oldest = position - delay
        output = load(start + (oldest + size if oldest < 0 else oldest))
        store(total + at, load(total + at) + output)
        smooth = output * direct
        smooth = smooth + shift(smooth, zero, 1) * d1
        smooth = smooth + shift(smooth, zero, 2) * d2
        smooth = smooth + shift(smooth, zero, 4) * d4
        following = fill(lane(smooth, 7)) + last * last_power
        smooth = smooth + last * powers
        last = following
        value = load(source + at) + smooth * back
        store(start + position, value)
        if position == 0:
            store(start + size, value)
        position += 32
        if position == size:
            position = 0
    store(state, last)
    store_address(ring + 16, position)


@njit(cache=True, nogil=True)
def _run_all_pass(block: Any, ring: Any) -> None:
    """Replace a block by the output of an all-pass."""
    start, size, position, delay = (
        load_address(ring),
        load_address(ring + 8),
        load_address(ring + 16),
        load_address(ring + 24),
    )
    half = fill(np.float32(0.5))
    for at in range(0, BLOCK_BYTES, 32):
        oldest = position - delay
        output = load(start + (oldest + size if oldest < 0 else oldest))
        x = load(block + at)
        value = x + output * half
        store(block + at, output - x)
        store(start + position, value)
        if position == 0:
            store(start + size, value)
        position += 32
        if position == size:
            position = 0
    store_address(ring + 16, position)


@njit(cache=True, nogil=True)
def reverberate(left: Any, right: Any, to_left: Any, to_right: Any, frames: Any, parameters: Any, rings: Any) -> None:
    """Write the reverb of two rows to two rows of ``frames``, a multiple of BLOCK_FRAMES; all others are addresses.

    parameters: floats: gain of the left input, of the right input, feedback, damping, gain of a channel's own reverb and of the
    other's, then two unused, then [32, 8]: for each delay its last frame, zeros, and for combs the powers 1 to 8 of damping. rings:
    [24] records, then three blocks. The rings hold zeros.
    """
    gain_left, gain_right = fill(load_float(parameters)), fill(load_float(parameters + 4))
    feedback, damping = load_float(parameters + 8), load_float(parameters + 12)
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
            for comb in range(_COMBS):
                ring, state = rings + (first + comb) * RING_BYTES, parameters + 32 + (channel * _COMBS + comb) * 64
                _run_comb(source, total, ring, state, feedback, damping)
            for all_pass in range(_COMBS, _PER_CHANNEL):
                _run_all_pass(total, rings + (first + all_pass) * RING_BYTES)
        for at in range(0, BLOCK_BYTES, 32):
            wet_left, wet_right = load(source + BLOCK_BYTES + at), load(source + 2 * BLOCK_BYTES + at)
            store(to_left + start + at, wet_left * own + wet_right * crossed)
            store(to_right + start + at, wet_right * own + wet_left * crossed)
