"""Kernel of the reverb: Freeverb, on as many stereo sounds at once as there are lanes, frame by frame.

Each comb damps its feedback by a one-pole low-pass, and feeds back what it made a delay ago. A lane of a vector is a
sound: the delays of all sounds are equal, so a comb of all is one ring of vectors, which is read and written at
the same place. The rings of one channel are run over a long block, because those of two do not fit into the
second-fastest cache together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper
from rmod_pipeline.effects.engines.fused.kernels.lanes import from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    ALL_PASS_FRAMES,
    BLOCK_FRAMES,
    COMB_FRAMES,
    LANES_BYTES,
    LAST_BYTES,
    REVERB_BLOCK_BYTES,
    REVERB_BLOCK_FRAMES,
    RING_WORDS,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import load_address, load_lanes, store, store_address
from rmod_pipeline.effects.engines.fused.kernels.vectors import fill_lanes

BLOCK_BYTES = BLOCK_FRAMES * LANES_BYTES
RING_BYTES = 8 * RING_WORDS
_COMBS, _ALL_PASSES = np.int64(len(COMB_FRAMES)), np.int64(len(ALL_PASS_FRAMES))
# For a plain number as an argument, numba compiles another version of the function that gets it.


@helper
def _mix_inputs(
    lefts: Any, rights: Any, sounds: Any, start: Any, count: Any, parameters: Any, lanes: Any, room: Any
) -> None:
    """Write the sum of both channels of sounds, times their gains, to ``lanes`` [count, LANES].

    room: two blocks [BLOCK_FRAMES, LANES], which stay in the fastest cache. What they hold in lanes without a sound is
    multiplied by a gain of 0, so it must be finite.
    """
    gain_left, gain_right = load_lanes(parameters), load_lanes(parameters + LANES_BYTES)
    other = room + BLOCK_BYTES
    for first in range(0, count, BLOCK_FRAMES):
        frames = min(BLOCK_FRAMES, count - first)
        to_lanes(lefts, sounds, start + first, frames, room)
        to_lanes(rights, sounds, start + first, frames, other)
        to = lanes + first * LANES_BYTES
        for at in range(0, frames * LANES_BYTES, LANES_BYTES):
            store(to + at, load_lanes(room + at) * gain_left + load_lanes(other + at) * gain_right)


@helper
def _run_combs(
    source: Any,
    total: Any,
    size: Any,
    a: Any,
    b: Any,
    c: Any,
    d: Any,
    e: Any,
    f: Any,
    g: Any,
    h: Any,
    last: Any,
    p: Any,
) -> None:
    """Write the sum of eight combs to ``total``, ``size`` bytes. a to h: where they are in their rings.

    last: the addresses of the last frames of their low-passes. p: that of the parameters.
    """
    back, kept = load_lanes(p + 2 * LANES_BYTES), load_lanes(p + 3 * LANES_BYTES)
    direct = load_lanes(p + 4 * LANES_BYTES)
    last_a, last_b = load_lanes(last), load_lanes(last + LANES_BYTES)
    last_c, last_d = load_lanes(last + 2 * LANES_BYTES), load_lanes(last + 3 * LANES_BYTES)
    last_e, last_f = load_lanes(last + 4 * LANES_BYTES), load_lanes(last + 5 * LANES_BYTES)
    last_g, last_h = load_lanes(last + 6 * LANES_BYTES), load_lanes(last + 7 * LANES_BYTES)
    for at in range(0, size, LANES_BYTES):
        x = load_lanes(source + at)
        y = load_lanes(a + at)
        last_a = y * direct + last_a * kept
        store(a + at, x + last_a * back)
        z = load_lanes(b + at)
        last_b = z * direct + last_b * kept
        store(b + at, x + last_b * back)
        y = y + z
        z = load_lanes(c + at)
        last_c = z * direct + last_c * kept
        store(c + at, x + last_c * back)
        y = y + z
        z = load_lanes(d + at)
        last_d = z * direct + last_d * kept
        store(d + at, x + last_d * back)
        y = y + z
        z = load_lanes(e + at)
        last_e = z * direct + last_e * kept
        store(e + at, x + last_e * back)
        y = y + z
        z = load_lanes(f + at)
        last_f = z * direct + last_f * kept
        store(f + at, x + last_f * back)
        y = y + z
        z = load_lanes(g + at)
        last_g = z * direct + last_g * kept
        store(g + at, x + last_g * back)
        y = y + z
        z = load_lanes(h + at)
        last_h = z * direct + last_h * kept
        store(h + at, x + last_h * back)
        store(total + at, y + z)
    store(last, last_a)
    store(last + LANES_BYTES, last_b)
    store(last + 2 * LANES_BYTES, last_c)
    store(last + 3 * LANES_BYTES, last_d)
    store(last + 4 * LANES_BYTES, last_e)
    store(last + 5 * LANES_BYTES, last_f)
    store(last + 6 * LANES_BYTES, last_g)
    store(last + 7 * LANES_BYTES, last_h)


@helper
def _run_all_passes(block: Any, size: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Replace ``size`` bytes of a block by the output of four all-passes in series; a to d: places in their rings."""
    half = fill_lanes(np.float32(0.5))
    for at in range(0, size, LANES_BYTES):
        x = load_lanes(block + at)
        y = load_lanes(a + at)
        store(a + at, x + y * half)
        x = y - x
        y = load_lanes(b + at)
        store(b + at, x + y * half)
        x = y - x
        y = load_lanes(c + at)
        store(c + at, x + y * half)
        x = y - x
        y = load_lanes(d + at)
        store(d + at, x + y * half)
        store(block + at, y - x)


@helper
def _until_end(rings: Any, count: Any, size: Any) -> Any:
    """Return how many of ``size`` bytes can be done before one of ``count`` rings ends."""
    for number in range(count):
        ring = rings + number * RING_BYTES
        size = min(size, load_address(ring + 8) - load_address(ring + 16))
    return size


@helper
def _advance(rings: Any, count: Any, size: Any) -> None:
    """Move the positions of rings on by ``size`` bytes; at its end, a ring begins again."""
    for number in range(count):
        ring = rings + number * RING_BYTES
        position = load_address(ring + 16) + size
        store_address(ring + 16, 0 if position == load_address(ring + 8) else position)


@helper
def _place(ring: Any) -> Any:
    """Return the address of the present position in a ring."""
    return load_address(ring) + load_address(ring + 16)


@helper
def _run_channel(source: Any, block: Any, size: Any, rings: Any, last: Any, parameters: Any) -> None:
    """Write the reverb of a channel to ``block``, ``size`` bytes, in parts between the ends of rings."""
    done = 0
    while done < size:
        part = _until_end(rings, _COMBS, size - done)
        _run_combs(
            source + done,
            block + done,
            part,
            _place(rings),
            _place(rings + RING_BYTES),
            _place(rings + 2 * RING_BYTES),
            _place(rings + 3 * RING_BYTES),
            _place(rings + 4 * RING_BYTES),
            _place(rings + 5 * RING_BYTES),
            _place(rings + 6 * RING_BYTES),
            _place(rings + 7 * RING_BYTES),
            last,
            parameters,
        )
        _advance(rings, _COMBS, part)
        done += part
    passes = rings + _COMBS * RING_BYTES
    done = 0
    while done < size:
        part = _until_end(passes, _ALL_PASSES, size - done)
        _run_all_passes(
            block + done,
            part,
            _place(passes),
            _place(passes + RING_BYTES),
            _place(passes + 2 * RING_BYTES),
            _place(passes + 3 * RING_BYTES),
        )
        _advance(passes, _ALL_PASSES, part)
        done += part


@helper
def _mix_outputs(
    own: Any, other: Any, rows: Any, sounds: Any, start: Any, count: Any, parameters: Any, room: Any
) -> None:
    """Write a channel of the reverb of sounds to their rows, from frame ``start`` on. room: as for ``_mix_inputs``."""
    direct, crossed = load_lanes(parameters + 5 * LANES_BYTES), load_lanes(parameters + 6 * LANES_BYTES)
    for first in range(0, count, BLOCK_FRAMES):
        frames, here = min(BLOCK_FRAMES, count - first), first * LANES_BYTES
        for at in range(0, frames * LANES_BYTES, LANES_BYTES):
            store(room + at, load_lanes(own + here + at) * direct + load_lanes(other + here + at) * crossed)
        from_lanes(room, rows, sounds, start + first, frames)


def reverberate_rows(
    lefts: Any,
    rights: Any,
    to_lefts: Any,
    to_rights: Any,
    sounds: Any,
    frames: Any,
    parameters: Any,
    rings: Any,
    scratch: Any,
) -> None:
    """Write the reverb of up to LANES stereo sounds of ``frames`` frames, a multiple of 8; all others are addresses.

    lefts, rights, to_lefts, to_rights: of LANES addresses of rows. sounds: how many of these count. parameters:
    [PARAMETERS, LANES] floats. rings: [RINGS] records of rings that hold zeros. scratch: the last frames of both
    channels, zeros, then two blocks [BLOCK_FRAMES, LANES] and three [REVERB_BLOCK_FRAMES, LANES], finite.
    """
    room = scratch + 2 * LAST_BYTES
    source = room + 2 * BLOCK_BYTES
    left, right = source + REVERB_BLOCK_BYTES, source + 2 * REVERB_BLOCK_BYTES
    for start in range(0, frames, REVERB_BLOCK_FRAMES):
        count = min(REVERB_BLOCK_FRAMES, frames - start)
        _mix_inputs(lefts, rights, sounds, start, count, parameters, source, room)
        _run_channel(source, left, count * LANES_BYTES, rings, scratch, parameters)
        right_rings = rings + (_COMBS + _ALL_PASSES) * RING_BYTES
        _run_channel(source, right, count * LANES_BYTES, right_rings, scratch + LAST_BYTES, parameters)
        _mix_outputs(left, right, to_lefts, sounds, start, count, parameters, room)
        _mix_outputs(right, left, to_rights, sounds, start, count, parameters, room)
