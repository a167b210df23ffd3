"""Kernels as machine code: load it, and call it with addresses and numbers."""

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding as llvm

_TYPES: dict[str, Any] = {"i": ctypes.c_int64, "f": ctypes.c_float}


class Kernel:
    """A function in machine code, which is loaded before its first call. Other threads of Python run meanwhile."""

    def __init__(self, module: str, name: str, arguments: str) -> None:
        """Describe a function of a module in ``kernels/``.

        arguments: a letter for each, i for a 64-bit integer and f for a 32-bit float.
        """
        self.module, self.name, self.arguments = module, name, arguments
        self._call: Any = None
        self._engine: Any = None
        # What numba compiles gets places for a result, which these do not have, and for an error before its arguments.
        self._places = (ctypes.c_int64 * 2)()
        place = ctypes.addressof(self._places)
        self._first = (place, place + 8)

    @property
    def is_loaded(self) -> bool:
        """Whether it can be called."""
        return self._call is not None

    def load(self, code: bytes) -> None:
        """Load an object file that has the function under its name, unless one is loaded already.

        Raises LookupError if the function is not there.
        """
        if self.is_loaded:
            return  # replacing the code would free what another thread may be running
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _open_target())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        address = engine.get_function_address(self.name)
        if not address:
            raise LookupError(f"there is no function {self.name} in its code")
        types = [ctypes.c_void_p, ctypes.c_void_p, *(_TYPES[letter] for letter in self.arguments)]
        self._engine = engine
        # Last: other threads call it from here on.
        self._call = ctypes.CFUNCTYPE(ctypes.c_int32, *types)(address)

    def __call__(self, *arguments: Any) -> None:
        """Call it with Python's integers and floats."""
        if self._call is None:
            from rmod_pipeline.effects.engines.fused.loading import load_kernels

            load_kernels()
        if self._call(*self._first, *arguments):
            raise RuntimeError(f"the kernel {self.name} failed")


def _open_target() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(jit=True)
