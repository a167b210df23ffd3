"""Kernels of compressors and limiters, on eight rows at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.compiled import inlined, kernel
from rmod_pipeline.effects.engines.fused.kernels.lanes import BLOCK_FRAMES, VECTOR_BYTES, from_lanes, to_lanes
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
PARAMETERS = 5
"""Vectors of parameters of a compression: gain of the input, attack, release, threshold, power."""
COMPRESSION_BYTES = PARAMETERS * VECTOR_BYTES
LIMITING_BYTES = 2 * COMPRESSION_BYTES + VECTOR_BYTES

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


@kernel
def _follow(lanes: Any, frames: Any, parameters: Any, state: Any) -> None:
    """Replace frames of eight lanes by the level that a compressor sees: it follows the peaks."""
    gain, attack, release = load(parameters), load(parameters + 32), load(parameters + 64)
    level = load(state)
    for frame in range(frames):
        at = lanes + frame * VECTOR_BYTES
        peak = absolute(load(at) * gain)
        kept = where_larger(peak, level, attack, release)
        level = peak + kept * (level - peak)
        store(at, level)
    store(state, level)


@kernel
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


@kernel
def _compress_block(
    inputs: Any, start: Any, outputs: Any, to: Any, frames: Any, parameters: Any, state: Any, scratch: Any
) -> None:
    """Compress frames of eight rows. inputs, outputs: addresses of rows, from frames ``start`` and ``to`` on.

    scratch: two blocks of eight rows, and eight addresses of the rows of the second.
    """
    levels, table = scratch + BLOCK_BYTES, scratch + 2 * BLOCK_BYTES
    to_lanes(inputs, start, frames, scratch)
    _follow(scratch, frames, parameters, state)
    from_lanes(scratch, table, 0, frames)
    for row in range(8):
        number = parameters + row * 4
        _reduce(
            load_address(inputs + 8 * row) + start * 4,
            levels + row * ROW_BYTES,
            load_address(outputs + 8 * row) + to * 4,
            frames,
            load_float(number),
            load_float(number + 96),
            load_float(number + 128),
        )


@kernel
def compress_rows(inputs: Any, outputs: Any, frames: Any, parameters: Any, scratch: Any) -> None:
    """Compress eight rows; all arguments but the count are addresses.

    parameters: [5, 8] floats. scratch: as for ``_compress_block``, and 8 floats of zeros after it.
    """
    state = scratch + 2 * BLOCK_BYTES + 64
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        _compress_block(inputs, start, outputs, start, count, parameters, state, scratch)


@kernel
def limit_rows(inputs: Any, outputs: Any, frames: Any, parameters: Any, scratch: Any) -> None:
    """Limit eight rows: two compressions, a gain, and a clip at full scale.

    parameters: two times [5, 8] floats, then [8] gains. scratch: as for ``compress_rows``, 8 more floats of zeros, then
    a block of eight rows, and the eight addresses of its rows.
    """
    state = scratch + 2 * BLOCK_BYTES + 64
    between = state + 2 * VECTOR_BYTES
    table = between + BLOCK_BYTES
    one, minus_one = fill(np.float32(1)), fill(np.float32(-1))
    second = parameters + COMPRESSION_BYTES
    for start in range(0, frames, BLOCK_FRAMES):
        count = min(BLOCK_FRAMES, frames - start)
        _compress_block(inputs, start, table, 0, count, parameters, state, scratch)
        _compress_block(table, 0, table, 0, count, second, state + VECTOR_BYTES, scratch)
        for row in range(8):
            gain = fill(load_float(parameters + 2 * COMPRESSION_BYTES + row * 4))
            source, to = between + row * ROW_BYTES, load_address(outputs + 8 * row) + start * 4
            for at in range(0, count * 4, VECTOR_BYTES):
                store(to + at, larger(smaller(load(source + at) * gain, one), minus_one))
