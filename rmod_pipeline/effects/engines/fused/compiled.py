"""Compile kernels with numba, once per machine.

Compiled code lies in ``kernels`` in rmod's cache folder, in a folder whose name is the hash of the sources and of the
processor: numba does not notice changes in other modules than a kernel's own. If it cannot be kept there, every process
compiles.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numba
import numba.core.config as numba_config
from numba.core.caching import NullCache
from numba.core.registry import cpu_target

from rmod_pipeline.storage.folders import cache_folder

logger = logging.getLogger(__name__)

_COMPLETE, _LOCK = "complete", "lock"
"""The file that says that all kernels of a folder are there, and the one that a process locks while it compiles."""

WAIT_SECONDS = 60.0
"""How long a process waits for another one that compiles. One that is stopped must not stop all others."""

_CODE_SUFFIX = ".nbc"

OLD_SECONDS = 30 * 24 * 3600
"""Kernels that were not used for so long are removed when others are compiled."""

_kernels: list[Any] = []
"""Those that are kept."""


@cache
def kernels_folder() -> Path:
    """Return the folder of the compiled kernels of these sources, whether it exists or not."""
    # What code is compiled for, as numba names it: a cache folder may be shared by machines.
    digest = hashlib.sha256(repr(cpu_target.target_context.codegen().magic_tuple()).encode())
    for package in ("numba", "llvmlite"):
        digest.update(f"{package} {version(package)}\n".encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.name.encode() + b"\n" + source.read_bytes())
    return cache_folder() / "kernels" / digest.hexdigest()[:16]


@cache
def is_kept() -> bool:
    """Return whether compiled kernels can be kept. If not, numba must not look for a folder of its own."""
    try:
        kernels_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kernels_folder()):
            os.utime(kernels_folder())
            return True
    except OSError as error:
        logger.warning("every process compiles the fused engine, because nothing can be kept: %s", error)
        return False


def is_compiled() -> bool:
    """Return whether all kernels were compiled and kept."""
    return is_kept() and (kernels_folder() / _COMPLETE).exists()


def remember_compiled() -> None:
    """Record that all kernels are kept, if they are: on a full disk, some may be missing."""
    with suppress(OSError):
        if len(list(kernels_folder().rglob(f"*{_CODE_SUFFIX}"))) >= len(_kernels):
            (kernels_folder() / _COMPLETE).touch()


@contextmanager
def lock_kernels() -> Iterator[None]:
    """Wait while another process compiles. The lock of a process that is killed is gone with it."""
    with ExitStack() as stack:
        with suppress(OSError):  # a file system without locks: several may compile, and each replaces whole files
            _wait_for_lock(stack.enter_context((kernels_folder().parent / _LOCK).open("w")))
        yield


def _wait_for_lock(file: IO[str]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return


def remove_old() -> None:
    """Remove kernels of other versions of the sources that nobody has used for a long time."""
    for folder in kernels_folder().parent.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def remove_compiled() -> None:
    """Remove the compiled kernels, such as damaged ones."""
    shutil.rmtree(kernels_folder(), ignore_errors=True)


def keep_no_more() -> None:
    """Compile in this process without keeping anything, as on a full disk."""
    for compiled in _kernels:
        compiled._cache = NullCache()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that the engine calls, or that a kernel calls; the interpreter is free meanwhile."""
    if not is_kept():
        return numba.njit(nogil=True)(function)
    settings: Any = numba_config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(kernels_folder())
    try:
        compiled = numba.njit(cache=True, nogil=True)(function)
    finally:
        settings.CACHE_DIR = before
    _kernels.append(compiled)
    return compiled


def helper(function: Callable[..., Any]) -> Any:
    """Compile a function that only kernels call: it is part of their files, and Python cannot call it."""
    options: Any = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(**options)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into those that call it."""
    return numba.njit(inline="always")(function)
