"""Compile kernels with numba, once per machine.

Compiled code lies in ``kernels`` in rmod's cache folder, in a folder whose name is the hash of the sources: numba does
not notice changes in other modules than a kernel's own. If it cannot be kept there, every process compiles.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numba.core.config as numba_config
from numba.core.caching import NullCache

from rmod_pipeline.storage.folders import cache_folder

logger = logging.getLogger(__name__)

_SUFFIXES = (".nbi", ".nbc")

OLD_SECONDS = 30 * 24 * 3600
"""Kernels that were not used for so long are removed when others are compiled."""

_kernels: list[Any] = []
"""Those that are kept."""


@cache
def kernels_folder() -> Path:
    """Return the folder of the compiled kernels of these sources, whether it exists or not."""
    digest = hashlib.sha256()
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
    """Return whether kernels were compiled and kept."""
    return is_kept() and any(path.suffix in _SUFFIXES for path in kernels_folder().rglob("*"))


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


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into those that call it."""
    return numba.njit(inline="always")(function)
