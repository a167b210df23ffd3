"""Kernel of the reverb: Freeverb, eight frames at once, because its shortest delay is longer.

Each comb damps its feedback by a one-pole low-pass, frame by frame. The eight combs of a channel fill the lanes of a
vector there. What a comb or an all-pass has made lies in a line of memory: it reads a delay behind where it writes.
When the line is full, its end is moved to its beginning.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import inlined, kernel
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    fill,
    load,
    load_address,
    load_float,
    store,
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
LINE_BLOCKS = 2
"""Blocks after which the ends of lines are moved: more of them would not fit into the second-fastest cache."""
LINE_WORDS = 3
"""64-bit words of a line's record: the addresses that its first block reads from and writes to, and its beginning."""
LINE_BYTES = 8 * LINE_WORDS
_COMBS = len(COMB_FRAMES)
LINES = 2 * (_COMBS + len(ALL_PASS_FRAMES))
_ALL_PASS_BYTES = 2 * _COMBS * LINE_BYTES
"""Where the records of all-passes begin."""


def list_delays(sample_rate: int) -> list[int]:
    """Return the delays in frames: combs of the left and of the right channel, then all-passes of both."""
    spreads = (0, SPREAD_FRAMES)
    delays = [comb + spread for spread in spreads for comb in COMB_FRAMES]
    delays += [all_pass + spread for spread in spreads for all_pass in ALL_PASS_FRAMES]
    return [sample_rate * delay // REFERENCE_RATE for delay in delays]


@inlined
def _run_combs(lines: Any, at: Any, x: Any, last: Any, direct: Any, kept: Any, back: Any) -> Any:
    """Put eight frames through the eight combs of a channel; return their sum, and the last frames of their low-passes.

    Each comb is a lane of the low-pass.
    """
    a, b = load(load_address(lines) + at), load(load_address(lines + 24) + at)
    c, d = load(load_address(lines + 48) + at), load(load_address(lines + 72) + at)
    e, f = load(load_address(lines + 96) + at), load(load_address(lines + 120) + at)
    g, h = load(load_address(lines + 144) + at), load(load_address(lines + 168) + at)
    total = ((((((a + b) + c) + d) + e) + f) + g) + h
    frames = transpose((a, b, c, d, e, f, g, h))
    first = frames[0] * direct + last * kept
    second = frames[1] * direct + first * kept
    third = frames[2] * direct + second * kept
    fourth = frames[3] * direct + third * kept
    fifth = frames[4] * direct + fourth * kept
    sixth = frames[5] * direct + fifth * kept
    seventh = frames[6] * direct + sixth * kept
    eighth = frames[7] * direct + seventh * kept
    smooth = transpose((first, second, third, fourth, fifth, sixth, seventh, eighth))
    store(load_address(lines + 8) + at, x + smooth[0] * back)
    store(load_address(lines + 32) + at, x + smooth[1] * back)
    store(load_address(lines + 56) + at, x + smooth[2] * back)
    store(load_address(lines + 80) + at, x + smooth[3] * back)
    store(load_address(lines + 104) + at, x + smooth[4] * back)
    store(load_address(lines + 128) + at, x + smooth[5] * back)
    store(load_address(lines + 152) + at, x + smooth[6] * back)
    store(load_address(lines + 176) + at, x + smooth[7] * back)
    return total, eighth


@inlined
def _run_all_pass(line: Any, at: Any, x: Any, half: Any) -> Any:
    """Put eight frames through an all-pass."""
    output = load(load_address(line) + at)
    store(load_address(line + 8) + at, x + output * half)
    return output - x


@kernel
def _move_ends(lines: Any, count: Any, span: Any) -> None:
    """Move the end of each line, as long as its delay, to its beginning.

    span: bytes written since the last time.
    """
    for number in range(count):
        line = lines + number * LINE_BYTES
        beginning = load_address(line + 16)
        for at in range(beginning, load_address(line + 8), 32):
            store(at, load(at + span))


@kernel
def reverberate_rows(
    left: Any, right: Any, to_left: Any, to_right: Any, frames: Any, parameters: Any, lines: Any, scratch: Any
) -> None:
    """Write the reverb of two rows to two rows of ``frames``, a multiple of BLOCK_FRAMES; all others are addresses.

    parameters: floats: gain of the left and of the right input, feedback, damping, gain of a channel's own reverb and
    of the other's. lines: [24] records of lines that hold zeros. scratch: two blocks.
    """
    gain_left, gain_right = fill(load_float(parameters)), fill(load_float(parameters + 4))
    back, damping = fill(load_float(parameters + 8)), load_float(parameters + 12)
    direct, kept = fill(np.float32(1) - damping), fill(damping)
    own, crossed = fill(load_float(parameters + 16)), fill(load_float(parameters + 20))
    half, last_left, last_right = fill(np.float32(0.5)), fill(np.float32(0)), fill(np.float32(0))
    passes = lines + _ALL_PASS_BYTES
    span = 0
    for start in range(0, frames * 4, BLOCK_BYTES):
        for at in range(0, BLOCK_BYTES, 32):
            x = load(left + start + at) * gain_left + load(right + start + at) * gain_right
            total, last_left = _run_combs(lines, span + at, x, last_left, direct, kept, back)
            store(scratch + at, total)
            total, last_right = _run_combs(lines + 192, span + at, x, last_right, direct, kept, back)
            store(scratch + BLOCK_BYTES + at, total)
        for at in range(0, BLOCK_BYTES, 32):
            wet_left, wet_right = load(scratch + at), load(scratch + BLOCK_BYTES + at)
            wet_left = _run_all_pass(passes, span + at, wet_left, half)
            wet_right = _run_all_pass(passes + 96, span + at, wet_right, half)
            wet_left = _run_all_pass(passes + 24, span + at, wet_left, half)
            wet_right = _run_all_pass(passes + 120, span + at, wet_right, half)
            wet_left = _run_all_pass(passes + 48, span + at, wet_left, half)
            wet_right = _run_all_pass(passes + 144, span + at, wet_right, half)
            wet_left = _run_all_pass(passes + 72, span + at, wet_left, half)
            wet_right = _run_all_pass(passes + 168, span + at, wet_right, half)
            store(to_left + start + at, wet_left * own + wet_right * crossed)
            store(to_right + start + at, wet_right * own + wet_left * crossed)
        span += BLOCK_BYTES
        if span == LINE_BLOCKS * BLOCK_BYTES:
            _move_ends(lines, LINES, span)
            span = 0
