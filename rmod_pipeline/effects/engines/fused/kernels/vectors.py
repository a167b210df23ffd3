"""Arithmetic on vectors: any number of floats, or eight doubles, at once."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import overload

from rmod_pipeline.effects.engines.fused.kernels.layout import VECTOR_FLOATS
from rmod_pipeline.effects.engines.fused.kernels.vector_types import (
    FLOAT,
    INT32,
    VectorType,
    constant,
    doubles,
    intrinsic,
    lanes_vector,
    vector,
)


def _integers(of: VectorType, value: int) -> Any:
    """Return equal 32-bit integers, as many as a vector has floats."""
    return constant(INT32, [value] * of.count)


@intrinsic
def widen(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return eight floats as doubles."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.fpext(arguments[0], doubles.llvm)

    return doubles(vector), generate


def _filling(of: VectorType) -> Any:
    """Return an intrinsic for a vector of equal floats."""

    @intrinsic
    def fill_vector(typing: Any, value: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            unknown = ir.Constant(of.llvm, ir.Undefined)
            first = builder.insert_element(unknown, arguments[0], ir.Constant(INT32, 0))
            return builder.shuffle_vector(first, unknown, _integers(of, 0))

        return of(types.float32), generate

    return fill_vector


fill = _filling(vector)
"""Return eight equal floats."""
fill_lanes = _filling(lanes_vector)
"""Return a float for all lanes."""


@intrinsic
def lane(typing: Any, value: Any, index: Any) -> Any:  # noqa: ARG001
    """Return one float of a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        position = builder.trunc(arguments[1], INT32)
        return builder.extract_element(arguments[0], position)

    return types.float32(value, types.int64), generate


def _binary(operate: Callable[[Any, Any, Any], Any]) -> Any:
    """Return an intrinsic for an operation of two vectors of one type."""

    @intrinsic
    def apply(typing: Any, left: Any, right: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return operate(builder, arguments[0], arguments[1])

        return left(left, right), generate

    return apply


larger = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
smaller = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


@intrinsic
def where_larger(typing: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:  # noqa: ARG001
    """Return ``then`` in the lanes where a > b, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.select(builder.fcmp_ordered(">", *arguments[:2]), *arguments[2:])

    return a(a, a, a, a), generate


def _is_any(builder: Any, of: VectorType, lanes: Any) -> Any:
    """Return whether one of the bits is set that a comparison has given."""
    bits = ir.IntType(of.count)
    return builder.icmp_unsigned("!=", builder.bitcast(lanes, bits), ir.Constant(bits, 0))


@intrinsic
def any_larger(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return whether a > b in any lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return _is_any(builder, a, builder.fcmp_ordered(">", arguments[0], arguments[1]))

    return types.boolean(a, a), generate


@intrinsic
def any_not_equal(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return whether a differs from b in any lane; NaN differs from itself."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return _is_any(builder, a, builder.fcmp_unordered("!=", arguments[0], arguments[1]))

    return types.boolean(a, a), generate


@intrinsic
def absolute(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the vector without its signs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _integers(value, 0).type)
        return builder.bitcast(builder.and_(bits, _integers(value, 0x7FFFFFFF)), value.llvm)

    return value(value), generate


@intrinsic
def float_exponent(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the exponents of positive, normal floats to the base of two, as floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _integers(value, 0).type)
        biased = builder.lshr(bits, _integers(value, 23))
        return builder.sitofp(builder.sub(biased, _integers(value, 127)), value.llvm)

    return value(value), generate


@intrinsic
def mantissa(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the mantissas of positive, normal floats: 1 to 2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _integers(value, 0).type)
        fraction = builder.and_(bits, _integers(value, 0x007FFFFF))
        return builder.bitcast(builder.or_(fraction, _integers(value, 0x3F800000)), value.llvm)

    return value(value), generate


@intrinsic
def power_of_two(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return two to the power of whole numbers from -126 to 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        whole = builder.fptosi(arguments[0], _integers(value, 0).type)
        return builder.bitcast(builder.shl(builder.add(whole, _integers(value, 127)), _integers(value, 23)), value.llvm)

    return value(value), generate


@intrinsic
def rounded(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return floats of less than a million, rounded to whole numbers: adding 1.5 * 2**23 leaves no place for more."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        large = constant(FLOAT, [12582912.0] * value.count)
        return builder.fsub(builder.fadd(arguments[0], large), large)

    return value(value), generate


def _shuffle(builder: Any, a: Any, b: Any, order: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, constant(INT32, order))


@intrinsic
def transpose(typing: Any, rows: Any) -> Any:  # noqa: ARG001
    """Return a tuple of eight vectors as its eight columns, in registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = [builder.extract_value(arguments[0], index) for index in range(VECTOR_FLOATS)]
        return context.make_tuple(builder, signature.return_type, _transpose(builder, vectors))

    return rows(rows), generate


def _transpose(builder: Any, rows: Sequence[Any]) -> list[Any]:
    """Return the columns of eight rows: three rounds of shuffles, all but the last within halves, which is faster."""
    pairs = []
    for a, b in zip(rows[::2], rows[1::2], strict=True):
        pairs.append(
            (
                _shuffle(builder, a, b, (0, 8, 1, 9, 4, 12, 5, 13)),
                _shuffle(builder, a, b, (2, 10, 3, 11, 6, 14, 7, 15)),
            )
        )
    quads = []
    for upper, lower in (pairs[:2], pairs[2:]):
        group = []
        for a, b in zip(upper, lower, strict=True):
            group.append(_shuffle(builder, a, b, (0, 1, 8, 9, 4, 5, 12, 13)))
            group.append(_shuffle(builder, a, b, (2, 3, 10, 11, 6, 7, 14, 15)))
        quads.append(group)
    first = [_shuffle(builder, a, b, (0, 1, 2, 3, 8, 9, 10, 11)) for a, b in zip(*quads, strict=True)]
    second = [_shuffle(builder, a, b, (4, 5, 6, 7, 12, 13, 14, 15)) for a, b in zip(*quads, strict=True)]
    return [*first, *second]


def _overload(symbol: Any, operate: Callable[[Any, Any, Any], Any]) -> None:
    """Give vectors an operator."""
    apply = _binary(operate)

    @overload(symbol, target="cpu")
    def choose(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        are_vectors = isinstance(a, VectorType) and a == b
        return (lambda a, b: apply(a, b)) if are_vectors else None  # noqa: PLW0108 (numba wants a function)


_overload(operator.add, lambda builder, a, b: builder.fadd(a, b))
_overload(operator.sub, lambda builder, a, b: builder.fsub(a, b))
_overload(operator.mul, lambda builder, a, b: builder.fmul(a, b))
_overload(operator.truediv, lambda builder, a, b: builder.fdiv(a, b))
