"""Compile kernels with numba, once per machine.

Compiled code lies in ``kernels`` in rmod's cache folder, in a folder whose name is the hash of the sources: numba
itself does not notice changes in other modules than a kernel's own. If that folder cannot be written, numba tries one
beside the sources; without any, every process compiles.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numba.core.config as numba_config

from rmod_pipeline.storage.folders import cache_folder

logger = logging.getLogger(__name__)

_SUFFIXES = (".nbi", ".nbc")


@cache
def kernels_folder() -> Path:
    """Return the folder of the compiled kernels of these sources, whether it exists or not."""
    digest = hashlib.sha256()
    for package in ("numba", "llvmlite"):
        digest.update(f"{package} {version(package)}\n".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.name.encode() + b"\n" + source.read_bytes())
    return cache_folder() / "kernels" / digest.hexdigest()[:16]


def is_compiled() -> bool:
    """Return whether the folder of the compiled kernels has any."""
    try:
        return any(path.suffix in _SUFFIXES for path in kernels_folder().rglob("*"))
    except OSError:
        return False


def remove_compiled() -> None:
    """Remove the compiled kernels, such as damaged ones."""
    shutil.rmtree(kernels_folder(), ignore_errors=True)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that the engine calls, or that a kernel calls; the interpreter is free meanwhile."""
    try:
        with _caching():
            return numba.njit(cache=True, nogil=True)(function)
    except (RuntimeError, OSError) as error:
        _warn(str(error))
        return numba.njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a small function into those that call it."""
    return numba.njit(inline="always")(function)


@contextmanager
def _caching() -> Iterator[None]:
    """Let numba keep what it compiles in the folder of the kernels."""
    settings: Any = numba_config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(kernels_folder())
    try:
        yield
    finally:
        settings.CACHE_DIR = before


@cache
def _warn(reason: str) -> None:
    logger.warning(
        "compiled kernels cannot be kept in %s, so every process compiles them: %s", kernels_folder(), reason
    )
