"""Read and write memory from kernels.

Addresses are integers in bytes, not arrays: numba counts references to arrays, also in the innermost loop.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from rmod_pipeline.effects.engines.fused.kernels.layout import FLOAT_BYTES, VECTOR_FLOATS
from rmod_pipeline.effects.engines.fused.kernels.vector_types import (
    DOUBLE,
    FLOAT,
    INT16,
    INT32,
    INT64,
    doubles,
    intrinsic,
    lanes_vector,
    vector,
)

_SHORTS = ir.VectorType(INT16, VECTOR_FLOATS)
_INTEGERS = ir.VectorType(INT32, VECTOR_FLOATS)


def _pointer(builder: Any, address: Any, to: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(to))


def _prefetching(writes: bool) -> Any:
    """Return an intrinsic that fetches a cache line."""

    @intrinsic
    def fetch(typing: Any, address: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            bytes_type = ir.PointerType(ir.IntType(8))
            kind = ir.FunctionType(ir.VoidType(), [bytes_type, INT32, INT32, INT32])
            function = builder.module.declare_intrinsic("llvm.prefetch", [bytes_type], kind)
            options = [ir.Constant(INT32, option) for option in (int(writes), _KEEP, _DATA)]
            builder.call(function, [_pointer(builder, arguments[0], ir.IntType(8)), *options])
            return context.get_dummy_value()

        return types.void(types.int64), generate

    return fetch


_KEEP, _DATA = 3, 1
"""For ``llvm.prefetch``: into the fastest cache, data instead of code."""

prefetch = _prefetching(writes=False)
"""Begin to fetch the cache line of an address that will be read. Any address will do, also one that is not there."""
prefetch_to_write = _prefetching(writes=True)
"""Begin to fetch the cache line of an address that will be written."""


@intrinsic
def load(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight floats at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], vector.llvm))
        value.align = FLOAT_BYTES
        return value

    return vector(types.int64), generate


@intrinsic
def load_lanes(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return a float per lane from an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], lanes_vector.llvm))
        value.align = FLOAT_BYTES
        return value

    return lanes_vector(types.int64), generate


@intrinsic
def store(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a vector of floats at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        instruction = builder.store(arguments[1], _pointer(builder, arguments[0], value.llvm))
        instruction.align = FLOAT_BYTES
        return context.get_dummy_value()

    return types.void(types.int64, value), generate


@intrinsic
def load_doubles(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight doubles at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], doubles.llvm))
        value.align = FLOAT_BYTES
        return value

    return doubles(types.int64), generate


@intrinsic
def store_doubles(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write eight doubles at an address, which needs no alignment."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        instruction = builder.store(arguments[1], _pointer(builder, arguments[0], doubles.llvm))
        instruction.align = FLOAT_BYTES
        return context.get_dummy_value()

    return types.void(types.int64, doubles), generate


@intrinsic
def load_shorts(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the eight 16-bit integers at an address as floats."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        value = builder.load(_pointer(builder, arguments[0], _SHORTS))
        value.align = 2
        return builder.sitofp(value, vector.llvm)

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
        return builder.load(_pointer(builder, arguments[0], FLOAT))

    return types.float32(types.int64), generate


@intrinsic
def store_float(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a float at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], FLOAT))
        return context.get_dummy_value()

    return types.void(types.int64, types.float32), generate


@intrinsic
def load_double(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the double at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(_pointer(builder, arguments[0], DOUBLE))

    return types.float64(types.int64), generate


@intrinsic
def store_double(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a double at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], DOUBLE))
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def add_double(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Add a double to the one at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        place = _pointer(builder, arguments[0], DOUBLE)
        builder.store(builder.fadd(builder.load(place), arguments[1]), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def load_address(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Return the 64-bit integer at an address, such as an address in a table."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        return builder.load(_pointer(builder, arguments[0], INT64))

    return types.int64(types.int64), generate


@intrinsic
def store_address(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a 64-bit integer at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        builder.store(arguments[1], _pointer(builder, arguments[0], INT64))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate
