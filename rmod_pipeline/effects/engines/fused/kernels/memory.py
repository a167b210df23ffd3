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
    VectorType,
    doubles,
    intrinsic,
    lanes_vector,
    vector,
)

_SHORTS = ir.VectorType(INT16, VECTOR_FLOATS)
_INTEGERS = ir.VectorType(INT32, VECTOR_FLOATS)
_SCALARS = {types.float32: FLOAT, types.float64: DOUBLE, types.int64: INT64}


def _pointer(builder: Any, address: Any, to: Any) -> Any:
    return builder.inttoptr(address, ir.PointerType(to))


def _llvm_type(of: Any) -> Any:
    return of.llvm if isinstance(of, VectorType) else _SCALARS[of]


def _align(instruction: Any, of: Any) -> Any:
    """Return a load or a store, after telling LLVM that vectors begin at any float."""
    if isinstance(of, VectorType):
        instruction.align = FLOAT_BYTES
    return instruction


def _loading(of: Any) -> Any:
    """Return an intrinsic that reads a number or a vector at an address."""

    @intrinsic
    def read(typing: Any, address: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            return _align(builder.load(_pointer(builder, arguments[0], _llvm_type(of))), of)

        return of(types.int64), generate

    return read


def _storing(of: Any) -> Any:
    """Return an intrinsic that writes a number at an address."""

    @intrinsic
    def write(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
        return types.void(types.int64, of), _generate_store(of)

    return write


def _generate_store(of: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        _align(builder.store(arguments[1], _pointer(builder, arguments[0], _llvm_type(of))), of)
        return context.get_dummy_value()

    return generate


load = _loading(vector)
"""Return the eight floats at an address, which needs no alignment."""
load_lanes = _loading(lanes_vector)
"""Return a float per lane from an address, which needs no alignment."""
load_doubles = _loading(doubles)
"""Return the eight doubles at an address, which needs no alignment."""
load_float, load_double = _loading(types.float32), _loading(types.float64)
"""Return the number at an address."""
load_address = _loading(types.int64)
"""Return the 64-bit integer at an address, such as an address in a table."""

store_float, store_double = _storing(types.float32), _storing(types.float64)
"""Write a number at an address."""
store_address = _storing(types.int64)
"""Write a 64-bit integer at an address."""


@intrinsic
def store(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Write a vector, of floats or of doubles, at an address, which needs no alignment."""
    return types.void(types.int64, value), _generate_store(value)


def _fetch_line(builder: Any, address: Any, *, writes: bool) -> None:
    bytes_type = ir.PointerType(ir.IntType(8))
    kind = ir.FunctionType(ir.VoidType(), [bytes_type, INT32, INT32, INT32])
    function = builder.module.declare_intrinsic("llvm.prefetch", [bytes_type], kind)
    options = [ir.Constant(INT32, option) for option in (int(writes), _KEEP, _DATA)]
    builder.call(function, [_pointer(builder, address, ir.IntType(8)), *options])


_KEEP, _DATA = 3, 1
"""For ``llvm.prefetch``: into the fastest cache, data instead of code."""


@intrinsic
def prefetch(typing: Any, address: Any) -> Any:  # noqa: ARG001
    """Begin to fetch the cache line of an address that will be read. The address need not exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        _fetch_line(builder, arguments[0], writes=False)
        return context.get_dummy_value()

    return types.void(types.int64), generate


def _prefetching_rows(*, writes: bool) -> Any:
    """Return an intrinsic that fetches a cache line of each of several rows."""

    @intrinsic
    def fetch(typing: Any, rows: Any, at: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
            for row in range(rows.count):
                address = builder.add(builder.extract_value(arguments[0], row), arguments[1])
                _fetch_line(builder, address, writes=writes)
            return context.get_dummy_value()

        return types.void(rows, types.int64), generate

    return fetch


prefetch_rows = _prefetching_rows(writes=False)
"""Begin to fetch what will be read, ``at`` bytes from the start of each row of a tuple of addresses."""
prefetch_rows_to_write = _prefetching_rows(writes=True)
"""The same for what will be written."""


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
def add_double(typing: Any, address: Any, value: Any) -> Any:  # noqa: ARG001
    """Add a double to the one at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        place = _pointer(builder, arguments[0], DOUBLE)
        builder.store(builder.fadd(builder.load(place), arguments[1]), place)
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate
