"""What the processor can do for which numba compiles."""

from __future__ import annotations

import os

import llvmlite.binding as llvm

WIDE = frozenset({"+avx512f", "+avx512bw", "+avx512dq", "+avx512vl"})
"""Names that LLVM gives to instructions on vectors of 512 bits."""


def name_processor() -> str:
    """Return the name and the features of this processor, by LLVM."""
    return f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"


def has_wide_vectors() -> bool:
    """Return whether numba compiles for a processor with vectors of sixteen floats (AVX-512).

    The variables of numba count, as they do in ``code_files.py``. Its file of settings does not: there the wrong number
    of lanes is slower, and gives the same bits.
    """
    features = llvm.get_host_cpu_features().flatten()
    if os.environ.get("NUMBA_CPU_NAME") == "generic" or os.environ.get("NUMBA_ENABLE_AVX") == "0":
        features = ""
    return frozenset(os.environ.get("NUMBA_CPU_FEATURES", features).split(",")) >= WIDE
