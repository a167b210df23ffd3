"""Vectors of eight floats or doubles for numba.

LLVM does not find them by itself where each frame depends on the one before.

Addresses are integers in bytes, not arrays: numba counts references to arrays, also in the innermost loop. Every
operation is one IEEE operation, in the order in which it is written and without fused multiply-add. So a kernel gives
the same bits on every processor.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numba.extending
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import overload, register_model

from rmod_pipeline.effects.engines.fused.kernels.layout import FLOAT_BYTES, LANES


def intrinsic(generate: Callable[..., Any]) -> Any:
    """Make a function from a generator of LLVM code, whose first argument is the context of its types."""
    return numba.extending.intrinsic(generate)


_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_I16 = ir.IntType(16)
_VECTOR = ir.VectorType(_F32, LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_INTEGERS = ir.VectorType(_I32, LANES)
_SHORTS = ir.VectorType(_I16, LANES)


class VectorType(types.Type):
    """The numba type of eight floats."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


class DoubleVectorType(types.Type):
    """The numba type of eight doubles."""

    def __init__(self) -> None:
        super().__init__(name="float64x8")


vector, doubles = VectorType(), DoubleVectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


@register_model(DoubleVectorType)
class _DoubleVectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _DOUBLES)


def _constant(value: float) -> Any:
    """Return a vector constant with eight equal values."""
    return ir.Constant(_VECTOR, [ir.Constant(_F32, value)] * LANES)


def _pointer(builder: Any, address: Any, to: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(to))


@intrinsic
def load(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight floats at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], _VECTOR))
        value.align = FLOAT_BYTES
        return value

    return vector(types.int64), generate


@intrinsic
def store(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write eight floats at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        instruction = builder.store(arguments[1], _pointer(builder, arguments[0], _VECTOR))
        instruction.align = FLOAT_BYTES
        return context.get_dummy_value()

    return types.void(types.int64, vector), generate


@intrinsic
def widen(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return eight floats as doubles."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.fpext(arguments[0], _DOUBLES)

    return doubles(vector), generate


@intrinsic
def load_doubles(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight doubles at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], _DOUBLES))
        value.align = FLOAT_BYTES
        return value

    return doubles(types.int64), generate


@intrinsic
def store_doubles(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write eight doubles at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        instruction = builder.store(arguments[1], _pointer(builder, arguments[0], _DOUBLES))
        instruction.align = FLOAT_BYTES
        return context.get_dummy_value()

    return types.void(types.int64, doubles), generate


@intrinsic
def load_shorts(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight 16-bit integers at an address as floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], _SHORTS))
        value.align = 2
        return builder.sitofp(value, _VECTOR)

    return vector(types.int64), generate


@intrinsic
def store_shorts(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write eight whole floats within -32768..32767 at an address, as 16-bit integers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        shorts = builder.trunc(builder.fptosi(arguments[1], _INTEGERS), _SHORTS)
        instruction = builder.store(shorts, _pointer(builder, arguments[0], _SHORTS))
        instruction.align = 2
        return context.get_dummy_value()

    return types.void(types.int64, vector), generate


@intrinsic
def load_float(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the float at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(_pointer(builder, arguments[0], _F32))

    return types.float32(types.int64), generate


@intrinsic
def store_float(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a float at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], _F32))
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), generate


@intrinsic
def load_double(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the double at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(_pointer(builder, arguments[0], ir.DoubleType()))

    return types.float64(types.int64), generate


@intrinsic
def store_double(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a double at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], ir.DoubleType()))
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def add_double(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Add a double to the one at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        place = _pointer(builder, arguments[0], ir.DoubleType())
        builder.store(builder.fadd(builder.load(place), arguments[1]), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def load_address(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the 64-bit integer at an address, such as an address in a table."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(_pointer(builder, arguments[0], ir.IntType(64)))

    return types.int64(types.int64), generate


@intrinsic
def store_address(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a 64-bit integer at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], ir.IntType(64)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def fill(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return a vector of eight equal floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), arguments[0], ir.Constant(_I32, 0))
        zeros = ir.Constant(_INTEGERS, [0] * LANES)
        return builder.shuffle_vector(first, ir.Constant(_VECTOR, ir.Undefined), zeros)

    return vector(types.float32), generate


@intrinsic
def lane(typing: Any, value: Any, index: Any) -> Any:  # noqa: ARG001
    """Return one float of a vector."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        position = builder.trunc(arguments[1], _I32)
        return builder.extract_element(arguments[0], position)

    return types.float32(vector, types.int64), generate


def _binary(operate: Callable[[Any, Any, Any], Any], of: types.Type = vector) -> Any:
    """Return an intrinsic for an operation of two vectors, of floats or of doubles."""

    @intrinsic
    def apply(typing: Any, left: Any, right: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return operate(builder, arguments[0], arguments[1])

        return of(of, of), generate

    return apply


larger = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", a, b), a, b))
smaller = _binary(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", a, b), a, b))


@intrinsic
def where_larger(typing: Any, a: Any, b: Any, then: Any, otherwise: Any) -> Any:  # noqa: ARG001
    """Return ``then`` in the lanes where a > b, else ``otherwise``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        a, b, then, otherwise = arguments
        return builder.select(builder.fcmp_ordered(">", a, b), then, otherwise)

    return vector(vector, vector, vector, vector), generate


@intrinsic
def any_larger(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return whether a > b in any lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        lanes = builder.fcmp_ordered(">", arguments[0], arguments[1])
        bits = builder.bitcast(lanes, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(vector, vector), generate


@intrinsic
def any_not_equal(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return whether a differs from b in any lane; NaN differs from itself."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        lanes = builder.fcmp_unordered("!=", arguments[0], arguments[1])
        bits = builder.bitcast(lanes, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(ir.IntType(LANES), 0))

    return types.boolean(vector, vector), generate


@intrinsic
def absolute(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the vector without its signs."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _INTEGERS)
        mask = ir.Constant(_INTEGERS, [ir.Constant(_I32, 0x7FFFFFFF)] * LANES)
        return builder.bitcast(builder.and_(bits, mask), _VECTOR)

    return vector(vector), generate


@intrinsic
def float_exponent(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the exponents of positive, normal floats to the base of two, as floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _INTEGERS)
        biased = builder.lshr(bits, _integers(23))
        return builder.sitofp(builder.sub(biased, _integers(127)), _VECTOR)

    return vector(vector), generate


@intrinsic
def mantissa(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return the mantissas of positive, normal floats: 1 to 2."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        bits = builder.bitcast(arguments[0], _INTEGERS)
        fraction = builder.and_(bits, _integers(0x007FFFFF))
        return builder.bitcast(builder.or_(fraction, _integers(0x3F800000)), _VECTOR)

    return vector(vector), generate


@intrinsic
def power_of_two(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return two to the power of whole numbers from -126 to 127."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        whole = builder.fptosi(arguments[0], _INTEGERS)
        return builder.bitcast(builder.shl(builder.add(whole, _integers(127)), _integers(23)), _VECTOR)

    return vector(vector), generate


@intrinsic
def rounded(typing: Any, value: Any) -> Any:  # noqa: ARG001
    """Return floats of less than a million, rounded to whole numbers: adding 1.5 * 2**23 leaves no place for more."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        large = _constant(12582912.0)
        return builder.fsub(builder.fadd(arguments[0], large), large)

    return vector(vector), generate


def _integers(value: int) -> Any:
    return ir.Constant(_INTEGERS, [ir.Constant(_I32, value)] * LANES)


def _shuffle(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(_INTEGERS, [ir.Constant(_I32, index) for index in lanes]))


@intrinsic
def transpose(typing: Any, rows: Any) -> Any:  # noqa: ARG001
    """Return a tuple of eight vectors as its eight columns, in registers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = [builder.extract_value(arguments[0], index) for index in range(LANES)]
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


def _overload(symbol: Any, of: Any, operate: Callable[[Any, Any, Any], Any]) -> None:
    """Give vectors of a type an operator."""
    apply = _binary(operate, of)

    @overload(symbol, target="cpu")
    def choose(a, b):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        return (lambda a, b: apply(a, b)) if a == of and b == of else None  # noqa: PLW0108 (numba wants a function)


for _type in (vector, doubles):
    _overload(operator.add, _type, lambda builder, a, b: builder.fadd(a, b))
    _overload(operator.sub, _type, lambda builder, a, b: builder.fsub(a, b))
    _overload(operator.mul, _type, lambda builder, a, b: builder.fmul(a, b))
    _overload(operator.truediv, _type, lambda builder, a, b: builder.fdiv(a, b))
