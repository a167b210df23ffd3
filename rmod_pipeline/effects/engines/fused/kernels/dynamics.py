"""Kernels of compressors and limiters, on as many rows at once as there are lanes."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.lanes import ZERO, from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    ADDRESS_BYTES,
    BLOCK_FRAMES,
    COMPRESSION_PARAMETERS,
    FLOAT_BYTES,
    LANES,
    LANES_BYTES,
    SUM_FRAMES,
    TABLE_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.memory import load_address, load_float, load_lanes, store
from rmod_pipeline.effects.engines.fused.kernels.peaks import end_rows, measure_block
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    absolute,
    any_larger,
    fill_lanes,
    float_exponent,
    larger,
    mantissa,
    power_of_two,
    rounded,
    smaller,
    where_larger,
)

BLOCK_BYTES = BLOCK_FRAMES * LANES_BYTES
ROW_BYTES = BLOCK_FRAMES * FLOAT_BYTES
COMPRESSION_BYTES = COMPRESSION_PARAMETERS * LANES_BYTES
LIMITING_BYTES = 2 * COMPRESSION_BYTES

_ROOT = np.float32(1.4142135)
_THIRD, _FIFTH, _SEVENTH, _NINTH = (np.float32(1 / n) for n in (3, 5, 7, 9))
_LOG2_SCALE = np.float32(2.885390081777927)
"""2 / ln 2."""
_LN2 = np.float32(0.6931471805599453)
_E2, _E3, _E4, _E5, _E6, _E7 = (np.float32(1 / n) for n in (2, 6, 24, 120, 720, 5040))


@inlined
def log2(x: Any) -> Any:
    """Return the logarithm of a vector of positive, normal floats, by the series of the inverse hyperbolic tangent."""
    one = fill_lanes(np.float32(1))
    e, m = float_exponent(x), mantissa(x)
    root = fill_lanes(_ROOT)
    e = where_larger(m, root, e + one, e)
    m = where_larger(m, root, m * fill_lanes(np.float32(0.5)), m)
    t = (m - one) / (m + one)
    q = t * t
    tail = fill_lanes(_FIFTH) + q * (fill_lanes(_SEVENTH) + q * fill_lanes(_NINTH))
    series = one + q * (fill_lanes(_THIRD) + q * tail)
    return e + t * series * fill_lanes(_LOG2_SCALE)


@inlined
def exp2(x: Any) -> Any:
    """Return two to the power of a vector; at least 2**-126, at most 2**126."""
    bounded = larger(smaller(x, fill_lanes(np.float32(126))), fill_lanes(np.float32(-126)))
    whole = rounded(bounded)
    f = (bounded - whole) * fill_lanes(_LN2)
    one = fill_lanes(np.float32(1))
    tail = fill_lanes(_E4) + f * (fill_lanes(_E5) + f * (fill_lanes(_E6) + f * fill_lanes(_E7)))
    return power_of_two(whole) * (one + f * (one + f * (fill_lanes(_E2) + f * (fill_lanes(_E3) + f * tail))))


@inlined
def _followed(x: Any, level: Any, attack: Any, release: Any) -> Any:
    """Return the level that a compressor sees after a frame: it follows the peaks."""
    peak = absolute(x)
    kept = where_larger(peak, level, attack, release)
    return peak + kept * (level - peak)


@helper
def _follow_two(one: Any, other: Any, frames: Any, parameters: Any, second: Any, states: Any) -> None:
    """Replace frames in two times LANES lanes by the levels that their compressors see.

    While one half waits for its last level, the other computes. parameters, second: [5, LANES] floats each, of the
    halves. states: [2, LANES] floats.
    """
    gain, attack = load_lanes(parameters), load_lanes(parameters + LANES_BYTES)
    release = load_lanes(parameters + 2 * LANES_BYTES)
    second_gain, second_attack = load_lanes(second), load_lanes(second + LANES_BYTES)
    second_release = load_lanes(second + 2 * LANES_BYTES)
    level, second_level = load_lanes(states), load_lanes(states + LANES_BYTES)
    for at in range(0, frames * LANES_BYTES, LANES_BYTES):
        level = _followed(load_lanes(one + at) * gain, level, attack, release)
        second_level = _followed(load_lanes(other + at) * second_gain, second_level, second_attack, second_release)
        store(one + at, level)
        store(other + at, second_level)
    store(states, level)
    store(states + LANES_BYTES, second_level)


@helper
def _reduce(source: Any, levels: Any, to: Any, frames: Any, gain: Any, threshold: Any, power: Any) -> None:
    """Write a row times its gain and, where its level is above the threshold, times the gain of the compression.

    frames: a multiple of LANES; a vector holds as many of them as there are lanes.
    """
    amount, limit, curve, one = fill_lanes(gain), fill_lanes(threshold), fill_lanes(power), fill_lanes(np.float32(1))
    for at in range(0, frames * FLOAT_BYTES, LANES_BYTES):
        x = load_lanes(source + at) * amount
        level = load_lanes(levels + at)
        if any_larger(level, limit):
            reduced = exp2(log2(level / limit) * curve)
            x = x * where_larger(level, limit, reduced, one)
        store(to + at, x)


@helper
def _reduce_rows(
    inputs: Any,
    start: Any,
    outputs: Any,
    to: Any,
    count: Any,
    frames: Any,
    parameters: Any,
    lanes: Any,
    room: Any,
) -> None:
    """Compress frames of ``count`` rows by the levels in ``lanes``.

    inputs, outputs: addresses of rows, from frames ``start`` and ``to`` on. room: a block of LANES rows, and the
    addresses of these rows.
    """
    from_lanes(lanes, room + BLOCK_BYTES, count, ZERO, frames)
    for row in range(count):
        number = parameters + row * FLOAT_BYTES
        _reduce(
            load_address(inputs + row * ADDRESS_BYTES) + start * FLOAT_BYTES,
            room + row * ROW_BYTES,
            load_address(outputs + row * ADDRESS_BYTES) + to * FLOAT_BYTES,
            frames,
            load_float(number),
            load_float(number + 3 * LANES_BYTES),
            load_float(number + 4 * LANES_BYTES),
        )


def compress_rows(
    inputs: Any, outputs: Any, rows: Any, frames: Any, audio: Any, levels: Any, parameters: Any, scratch: Any
) -> None:
    """Compress up to two times LANES rows, and measure them; all arguments but the counts are addresses.

    rows: how many. frames: a multiple of 1024, of which ``audio`` count. levels: a record per row, as in
    ``measure_block``. parameters: [2, 5, LANES] floats. scratch: [2, LANES] floats and two blocks of lanes, all zeros,
    and room as for ``_reduce_rows``.
    """
    one = scratch + 2 * LANES_BYTES
    other, second = one + BLOCK_BYTES, parameters + COMPRESSION_BYTES
    room = other + BLOCK_BYTES
    some, others = min(rows, LANES), rows - LANES
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        to_lanes(inputs, some, start, count, one)
        to_lanes(inputs + TABLE_BYTES, others, start, count, other)
        _follow_two(one, other, count, parameters, second, scratch)
        _reduce_rows(inputs, start, outputs, start, some, count, parameters, one, room)
        if others > 0:
            more = outputs + TABLE_BYTES
            _reduce_rows(inputs + TABLE_BYTES, start, more, start, others, count, second, other, room)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, rows, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, rows, audio, levels)


@helper
def _clip_rows(inputs: Any, outputs: Any, to: Any, count: Any, frames: Any, gains: Any) -> None:
    """Write frames of rows, times gains and clipped at full scale, to rows from frame ``to`` on."""
    one, minus_one = fill_lanes(np.float32(1)), fill_lanes(np.float32(-1))
    for row in range(count):
        gain, source = fill_lanes(load_float(gains + row * FLOAT_BYTES)), load_address(inputs + row * ADDRESS_BYTES)
        target = load_address(outputs + row * ADDRESS_BYTES) + to * FLOAT_BYTES
        for at in range(0, frames * FLOAT_BYTES, LANES_BYTES):
            store(target + at, larger(smaller(load_lanes(source + at) * gain, one), minus_one))


def limit_rows(
    inputs: Any, outputs: Any, rows: Any, frames: Any, audio: Any, levels: Any, parameters: Any, scratch: Any
) -> None:
    """Limit up to LANES rows, by two compressions, a gain and a clip at full scale, and measure them.

    The second compression works on the block before that of the first, so that neither waits for its last level.
    rows, frames, audio, levels: as for ``compress_rows``. parameters: two times [5, LANES] floats, then [LANES] gains.
    scratch: as for ``compress_rows``, then a block of LANES rows and the addresses of its rows.
    """
    first_lanes = scratch + 2 * LANES_BYTES
    second_lanes, second = first_lanes + BLOCK_BYTES, parameters + COMPRESSION_BYTES
    room = second_lanes + BLOCK_BYTES
    between = room + BLOCK_BYTES + TABLE_BYTES
    table = between + BLOCK_BYTES
    before = ZERO
    for start in range(0, frames + BLOCK_FRAMES, BLOCK_FRAMES):
        count = max(min(BLOCK_FRAMES, frames - start), 0)
        to_lanes(inputs, rows, start, count, first_lanes)
        to_lanes(table, rows, ZERO, before, second_lanes)
        # A half that has fewer frames follows what is left of another block: the first one in the beginning, when its
        # lanes hold zeros, or the last one in the end.
        _follow_two(first_lanes, second_lanes, max(count, before), parameters, second, scratch)
        if before:
            _reduce_rows(table, ZERO, table, ZERO, rows, before, second, second_lanes, room)
            _clip_rows(table, outputs, start - BLOCK_FRAMES, rows, before, parameters + LIMITING_BYTES)
            done = start - BLOCK_FRAMES + before
            if done % SUM_FRAMES == 0:
                measure_block(outputs, rows, done - SUM_FRAMES, audio, levels)
        _reduce_rows(inputs, start, table, ZERO, rows, count, parameters, first_lanes, room)
        before = count
    end_rows(outputs, rows, audio, levels)
