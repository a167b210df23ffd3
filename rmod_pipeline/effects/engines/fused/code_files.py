"""Files of compiled kernels: one object file per kernel, after its checksum.

They lie in ``kernels`` in rmod's cache folder, in a folder whose name is the hash of the sources, the versions, the
processor and the settings of numba: a cache folder may be shared by machines.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from filelock import FileLock

from rmod_pipeline.effects.engines.fused.processor import name_processor
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.writing import temporary_file

logger = logging.getLogger(__name__)

WAIT_SECONDS = 60.0
"""How long a process waits for another one that compiles. One that is stopped must not stop all others."""
OLD_SECONDS = 30 * 24 * 3600
"""Kernels that were not used for so long are removed when others are compiled."""
_ALL_BYTES = 2**17
"""All kernels take less."""
_HARMLESS_SETTINGS = frozenset({"NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER"})
"""Variables that people set, and that leave the code of kernels as it is. All others are taken to change it."""
_DIGEST_BYTES = hashlib.sha256().digest_size


class NotKeptError(Exception):
    """The code of a kernel could not be written."""


@cache
def kernels_folder() -> Path:
    """Return the folder of the compiled kernels of these sources, whether it exists or not."""
    digest = hashlib.sha256(name_processor().encode())
    for setting in _read_numba_settings():
        digest.update(setting)
    for package in ("numba", "llvmlite"):
        digest.update(f"{package} {version(package)}\n".encode())
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.name.encode() + b"\n" + source.read_bytes())
    return cache_folder() / "kernels" / digest.hexdigest()[:16]


def _read_numba_settings() -> Iterator[bytes]:
    """Yield what may change the code that numba compiles: its variables, and the file that has others of them."""
    for name, value in sorted(os.environ.items()):
        if name.startswith("NUMBA_") and name not in _HARMLESS_SETTINGS:
            yield os.fsencode(f"{name}={value}\n")
    with suppress(OSError):
        yield Path(".numba_config.yaml").read_bytes()


@cache
def can_keep_code() -> bool:
    """Return whether compiled kernels can be kept."""
    try:
        kernels_folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=kernels_folder()) as file:
            file.write(bytes(_ALL_BYTES))  # a full disk has room for an empty file
            file.flush()
            return True
    except OSError as error:
        logger.warning("every process compiles the fused engine, because nothing can be kept: %s", error)
        return False


def mark_used() -> None:
    """Note that the compiled kernels are used, so that nobody removes them as old."""
    with suppress(OSError):
        os.utime(kernels_folder())


def read_code(name: str) -> bytes | None:
    """Return the code of a kernel; None if it was not compiled, or if its file is damaged."""
    path = _path(name)
    try:
        content = path.read_bytes()
    except OSError as error:
        logger.debug("%s cannot be read: %s", path, error)  # whether it can be written is found out later
        return None
    digest, code = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if _digest(name, code) != digest:
        logger.warning("%s is damaged, and is compiled again", path)
        return None
    return code


def write_code(name: str, code: bytes) -> None:
    """Keep the code of a kernel. Raises NotKeptError if it cannot be kept, as on a full disk."""
    path = _path(name)
    try:
        with temporary_file(path.with_name(f".{uuid4().hex}.tmp")) as temporary:
            temporary.write_bytes(_digest(name, code) + code)
            temporary.replace(path)
    except OSError as error:
        raise NotKeptError(str(error)) from error


def _digest(name: str, code: bytes) -> bytes:
    """Return the checksum of code and of its name, because calling a function that is not there ends the process."""
    return hashlib.sha256(name.encode() + b"\n" + code).digest()


def _path(name: str) -> Path:
    return kernels_folder() / f"{name}.o"


@contextmanager
def lock_kernels() -> Iterator[None]:
    """Wait while another process compiles. The lock of a process that is killed is gone with it."""
    with ExitStack() as stack:
        # A file system without locks: several may compile, and each replaces whole files.
        with suppress(OSError):
            stack.enter_context(FileLock(kernels_folder().parent / "lock", timeout=WAIT_SECONDS))
        yield


def remove_old() -> None:
    """Remove kernels of other versions of the sources that nobody has used for a long time."""
    for folder in kernels_folder().parent.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
