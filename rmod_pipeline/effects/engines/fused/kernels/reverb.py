"""Kernel of the reverb: Freeverb, on eight stereo sounds at once, frame by frame.

Each comb damps its feedback by a one-pole low-pass, and feeds back what it made a delay ago. A lane of a vector is a
sound: the delays of all sounds are equal, so a comb of all eight is one ring of vectors, which is read and written at
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
    COMB_FRAMES,
    LAST_BYTES,
    REVERB_BLOCK_BYTES,
    REVERB_BLOCK_FRAMES,
    RING_WORDS,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    fill,
    load,
    load_address,
    store,
    store_address,
)

RING_BYTES = 8 * RING_WORDS
_COMBS, _ALL_PASSES = np.int64(len(COMB_FRAMES)), np.int64(len(ALL_PASS_FRAMES))
# For a plain number as an argument, numba compiles another version of the function that gets it.


@helper
def _mix_inputs(lefts: Any, rights: Any, start: Any, count: Any, parameters: Any, lanes: Any, room: Any) -> None:
    """Write the sum of both channels of eight sounds times their gains to ``lanes`` [count, 8]. room: as large."""
    gain_left, gain_right = load(parameters), load(parameters + 32)
    to_lanes(lefts, start, count, lanes)
    to_lanes(rights, start, count, room)
    for at in range(0, count * VECTOR_BYTES, VECTOR_BYTES):
        store(lanes + at, load(lanes + at) * gain_left + load(room + at) * gain_right)


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
    back, kept, direct = load(p + 64), load(p + 96), load(p + 128)
    last_a, last_b, last_c, last_d = load(last), load(last + 32), load(last + 64), load(last + 96)
    last_e, last_f, last_g, last_h = load(last + 128), load(last + 160), load(last + 192), load(last + 224)
    for at in range(0, size, VECTOR_BYTES):
        x = load(source + at)
        y = load(a + at)
        last_a = y * direct + last_a * kept
        store(a + at, x + last_a * back)
        z = load(b + at)
        last_b = z * direct + last_b * kept
        store(b + at, x + last_b * back)
        y = y + z
        z = load(c + at)
        last_c = z * direct + last_c * kept
        store(c + at, x + last_c * back)
        y = y + z
        z = load(d + at)
        last_d = z * direct + last_d * kept
        store(d + at, x + last_d * back)
        y = y + z
        z = load(e + at)
        last_e = z * direct + last_e * kept
        store(e + at, x + last_e * back)
        y = y + z
        z = load(f + at)
        last_f = z * direct + last_f * kept
        store(f + at, x + last_f * back)
        y = y + z
        z = load(g + at)
        last_g = z * direct + last_g * kept
        store(g + at, x + last_g * back)
        y = y + z
        z = load(h + at)
        last_h = z * direct + last_h * kept
        store(h + at, x + last_h * back)
        store(total + at, y + z)
    store(last, last_a)
    store(last + 32, last_b)
    store(last + 64, last_c)
    store(last + 96, last_d)
    store(last + 128, last_e)
    store(last + 160, last_f)
    store(last + 192, last_g)
    store(last + 224, last_h)


@helper
def _run_all_passes(block: Any, size: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    """Replace ``size`` bytes of a block by the output of four all-passes in series; a to d: places in their rings."""
    half = fill(np.float32(0.5))
    for at in range(0, size, VECTOR_BYTES):
        x = load(block + at)
        y = load(a + at)
        store(a + at, x + y * half)
        x = y - x
        y = load(b + at)
        store(b + at, x + y * half)
        x = y - x
        y = load(c + at)
        store(c + at, x + y * half)
        x = y - x
        y = load(d + at)
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
def _mix_outputs(own: Any, other: Any, rows: Any, start: Any, count: Any, parameters: Any, room: Any) -> None:
    """Write a channel of the reverb of eight sounds to their rows, from frame ``start`` on.

    room: as large as ``own``.
    """
    direct, crossed = load(parameters + 160), load(parameters + 192)
    for at in range(0, count * VECTOR_BYTES, VECTOR_BYTES):
        store(room + at, load(own + at) * direct + load(other + at) * crossed)
    from_lanes(room, rows, start, count)


def reverberate_rows(
    lefts: Any, rights: Any, to_lefts: Any, to_rights: Any, frames: Any, parameters: Any, rings: Any, scratch: Any
) -> None:
    """Write the reverb of eight stereo sounds of ``frames`` frames, a multiple of 8; all others are addresses.

    lefts, rights, to_lefts, to_rights: of eight addresses of rows. parameters: [PARAMETERS, 8] floats. rings: [RINGS]
    records of rings that hold zeros. scratch: the last frames of both channels, zeros, then three blocks.
    """
    source = scratch + 2 * LAST_BYTES
    left, right = source + REVERB_BLOCK_BYTES, source + 2 * REVERB_BLOCK_BYTES
    for start in range(0, frames, REVERB_BLOCK_FRAMES):
        count = min(REVERB_BLOCK_FRAMES, frames - start)
        _mix_inputs(lefts, rights, start, count, parameters, source, left)
        _run_channel(source, left, count * VECTOR_BYTES, rings, scratch, parameters)
        right_rings = rings + (_COMBS + _ALL_PASSES) * RING_BYTES
        _run_channel(source, right, count * VECTOR_BYTES, right_rings, scratch + LAST_BYTES, parameters)
        _mix_outputs(left, right, to_lefts, start, count, parameters, source)
        _mix_outputs(right, left, to_rights, start, count, parameters, source)
