"""Kernels of compressors and limiters, on eight rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.lanes import ONE, ZERO, from_lanes, to_lanes
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    BLOCK_FRAMES,
    COMPRESSION_PARAMETERS,
    SUM_FRAMES,
    TABLE_BYTES,
    VECTOR_BYTES,
)
from rmod_pipeline.effects.engines.fused.kernels.peaks import end_rows, measure_block
from rmod_pipeline.effects.engines.fused.kernels.vectors import (
    absolute,
    any_larger,
    fill,
    float_exponent,
    larger,
    load,
    load_address,
    load_float,
    mantissa,
    power_of_two,
    rounded,
    smaller,
    store,
    where_larger,
)

BLOCK_BYTES = BLOCK_FRAMES * VECTOR_BYTES
ROW_BYTES = BLOCK_FRAMES * 4
COMPRESSION_BYTES = COMPRESSION_PARAMETERS * VECTOR_BYTES
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
    one = fill(np.float32(1))
    e, m = float_exponent(x), mantissa(x)
    root = fill(_ROOT)
    e = where_larger(m, root, e + one, e)
    m = where_larger(m, root, m * fill(np.float32(0.5)), m)
    t = (m - one) / (m + one)
    q = t * t
    series = one + q * (fill(_THIRD) + q * (fill(_FIFTH) + q * (fill(_SEVENTH) + q * fill(_NINTH))))
    return e + t * series * fill(_LOG2_SCALE)


@inlined
def exp2(x: Any) -> Any:
    """Return two to the power of a vector; at least 2**-126, at most 2**126."""
    bounded = larger(smaller(x, fill(np.float32(126))), fill(np.float32(-126)))
    whole = rounded(bounded)
    f = (bounded - whole) * fill(_LN2)
    one = fill(np.float32(1))
    tail = fill(_E4) + f * (fill(_E5) + f * (fill(_E6) + f * fill(_E7)))
    return power_of_two(whole) * (one + f * (one + f * (fill(_E2) + f * (fill(_E3) + f * tail))))


@inlined
def _followed(x: Any, level: Any, attack: Any, release: Any) -> Any:
    """Return the level that a compressor sees after a frame: it follows the peaks."""
    peak = absolute(x)
    kept = where_larger(peak, level, attack, release)
    return peak + kept * (level - peak)


@helper
def _follow_two(one: Any, other: Any, frames: Any, parameters: Any, second: Any, states: Any) -> None:
    """Replace frames of two times eight lanes by the levels that their compressors see.

    While one half waits for its last level, the other computes. parameters, second: [5, 8] floats each, of the halves.
    states: [2, 8] floats.
    """
    gain, attack, release = load(parameters), load(parameters + 32), load(parameters + 64)
    second_gain, second_attack, second_release = load(second), load(second + 32), load(second + 64)
    level, second_level = load(states), load(states + VECTOR_BYTES)
    for at in range(0, frames * VECTOR_BYTES, VECTOR_BYTES):
        level = _followed(load(one + at) * gain, level, attack, release)
        second_level = _followed(load(other + at) * second_gain, second_level, second_attack, second_release)
        store(one + at, level)
        store(other + at, second_level)
    store(states, level)
    store(states + VECTOR_BYTES, second_level)


@helper
def _reduce(source: Any, levels: Any, to: Any, frames: Any, gain: Any, threshold: Any, power: Any) -> None:
    """Write a row times its gain and, where its level is above the threshold, times the gain of the compression."""
    amount, limit, curve, one = fill(gain), fill(threshold), fill(power), fill(np.float32(1))
    for at in range(0, frames * 4, VECTOR_BYTES):
        x = load(source + at) * amount
        level = load(levels + at)
        if any_larger(level, limit):
            reduced = exp2(log2(level / limit) * curve)
            x = x * where_larger(level, limit, reduced, one)
        store(to + at, x)


@helper
def _reduce_rows(
    inputs: Any, start: Any, outputs: Any, to: Any, frames: Any, parameters: Any, lanes: Any, room: Any
) -> None:
    """Compress frames of eight rows by the levels in ``lanes``.

    inputs, outputs: addresses of rows, from frames ``start`` and ``to`` on. room: a block of eight rows, and eight
    addresses of these rows.
    """
    from_lanes(lanes, room + BLOCK_BYTES, ZERO, frames)
    for row in range(8):
        number = parameters + row * 4
        _reduce(
            load_address(inputs + 8 * row) + start * 4,
            room + row * ROW_BYTES,
            load_address(outputs + 8 * row) + to * 4,
            frames,
            load_float(number),
            load_float(number + 96),
            load_float(number + 128),
        )


def compress_rows(
    inputs: Any, outputs: Any, frames: Any, audio: Any, levels: Any, halves: Any, parameters: Any, scratch: Any
) -> None:
    """Compress eight rows or sixteen, 1 or 2 ``halves``, and measure them; all arguments but the counts are addresses.

    frames: a multiple of 1024, of which ``audio`` count. levels: a record per row, as in ``measure_block``.
    parameters: [2, 5, 8] floats. scratch: [2, 8] floats and two blocks of lanes, all zeros, and room as for
    ``_reduce_rows``.
    """
    one = scratch + 2 * VECTOR_BYTES
    other, second = one + BLOCK_BYTES, parameters + COMPRESSION_BYTES
    room = other + BLOCK_BYTES
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        to_lanes(inputs, start, count, one)
        if halves > 1:
            to_lanes(inputs + TABLE_BYTES, start, count, other)
        _follow_two(one, other, count, parameters, second, scratch)
        _reduce_rows(inputs, start, outputs, start, count, parameters, one, room)
        if halves > 1:
            _reduce_rows(inputs + TABLE_BYTES, start, outputs + TABLE_BYTES, start, count, second, other, room)
        if (start + count) % SUM_FRAMES == 0:
            measure_block(outputs, halves, start + count - SUM_FRAMES, audio, levels)
    end_rows(outputs, halves, audio, levels)


@helper
def _clip_rows(inputs: Any, outputs: Any, to: Any, frames: Any, gains: Any) -> None:
    """Write frames of eight rows, times gains and clipped at full scale, to rows from frame ``to`` on."""
    one, minus_one = fill(np.float32(1)), fill(np.float32(-1))
    for row in range(8):
        gain, source = fill(load_float(gains + row * 4)), load_address(inputs + 8 * row)
        target = load_address(outputs + 8 * row) + to * 4
        for at in range(0, frames * 4, VECTOR_BYTES):
            store(target + at, larger(smaller(load(source + at) * gain, one), minus_one))


def limit_rows(inputs: Any, outputs: Any, frames: Any, audio: Any, levels: Any, parameters: Any, scratch: Any) -> None:
    """Limit eight rows, by two compressions, a gain and a clip at full scale, and measure them.

    The second compression works on the block before that of the first, so that neither waits for its last level.
    frames, audio, levels: as for ``compress_rows``. parameters: two times [5, 8] floats, then [8] gains. scratch: as
    for ``compress_rows``, then a block of eight rows, the eight addresses of its rows, and zeros.
    """
    first_lanes = scratch + 2 * VECTOR_BYTES
    second_lanes, second = first_lanes + BLOCK_BYTES, parameters + COMPRESSION_BYTES
    room = second_lanes + BLOCK_BYTES
    between = room + BLOCK_BYTES + TABLE_BYTES
    table = between + BLOCK_BYTES
    before = ZERO
    for start in range(0, frames + BLOCK_FRAMES, BLOCK_FRAMES):
        count = max(min(BLOCK_FRAMES, frames - start), 0)
        to_lanes(inputs, start, count, first_lanes)
        to_lanes(table, ZERO, before, second_lanes)
        # A half that has fewer frames follows what is left of another block: the first one in the beginning, when its
        # lanes hold zeros, or the last one in the end.
        _follow_two(first_lanes, second_lanes, max(count, before), parameters, second, scratch)
        if before:
            _reduce_rows(table, ZERO, table, ZERO, before, second, second_lanes, room)
            _clip_rows(table, outputs, start - BLOCK_FRAMES, before, parameters + LIMITING_BYTES)
            done = start - BLOCK_FRAMES + before
            if done % SUM_FRAMES == 0:
                measure_block(outputs, ONE, done - SUM_FRAMES, audio, levels)
        _reduce_rows(inputs, start, table, ZERO, count, parameters, first_lanes, room)
        before = count
    end_rows(outputs, ONE, audio, levels)
