"""Compile kernels by numba. Only a process that does not find them compiled imports this module."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import llvmlite.binding as llvm
from numba.core import types

from rmod_pipeline.effects.engines.fused.kernels.functions import helper
from rmod_pipeline.effects.engines.fused.machine_code import Kernel

_TYPES: dict[str, Any] = {"i": types.int64, "f": types.float32}


def compile_kernel(kernel: Kernel) -> bytes:
    """Return the object file of a kernel."""
    module = import_module(f"rmod_pipeline.effects.engines.fused.kernels.{kernel.module}")
    compiled = helper(getattr(module, kernel.name))
    signature = tuple(_TYPES[letter] for letter in kernel.arguments)
    compiled.compile(signature)
    code = llvm.parse_assembly(compiled.inspect_llvm(signature))
    code.get_function(compiled.overloads[signature].fndesc.llvm_func_name).name = kernel.name
    _, processor, features = compiled.targetctx.codegen().magic_tuple()
    machine = llvm.Target.from_triple(code.triple).create_target_machine(
        cpu=processor,
        features=features,
        opt=3,
        reloc="static" if code.triple.startswith("x86") else "default",
        codemodel="jitdefault",
        jit=True,
    )
    return bytes(machine.emit_object(code))
