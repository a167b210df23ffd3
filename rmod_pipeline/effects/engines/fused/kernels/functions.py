"""Functions that numba compiles into kernels. A kernel itself is a plain function: ``compiling.py`` compiles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call."""
    options: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into those that call it."""
    return numba.njit(inline="always")(function)
