"""Vectors of floats or doubles as types for numba.

LLVM does not find vectors by itself where each frame depends on the one before. Every operation on them is one IEEE
operation, in the order in which it is written and without fused multiply-add. So a kernel gives the same bits on every
processor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba.extending
from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.extending import register_model

from rmod_pipeline.effects.engines.fused.kernels.layout import LANES, VECTOR_FLOATS

FLOAT, DOUBLE = ir.FloatType(), ir.DoubleType()
INT16, INT32, INT64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)


def intrinsic(generate: Callable[..., Any]) -> Any:
    """Make a function from a generator of LLVM code, whose first argument is the context of its types."""
    return numba.extending.intrinsic(generate)


class VectorType(types.Type):
    """The numba type of a vector."""

    def __init__(self, name: str, element: Any, count: int) -> None:
        super().__init__(name=f"{name}x{count}")
        self.count = count
        self.llvm = ir.VectorType(element, count)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, numba_type.llvm)


vector = VectorType("float32", FLOAT, VECTOR_FLOATS)
"""Eight floats of one row."""
lanes_vector = VectorType("float32", FLOAT, LANES)
"""A float of each lane. The same type as ``vector`` where there are eight lanes."""
doubles = VectorType("float64", DOUBLE, VECTOR_FLOATS)
"""Eight doubles."""


def constant(element: Any, values: Sequence[float]) -> Any:
    """Return a constant vector in LLVM."""
    return ir.Constant(ir.VectorType(element, len(values)), [ir.Constant(element, value) for value in values])
