"""Keep local copies of objects in the cache: each is fetched once, and the least recently used are removed first."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.locations import Location
from rmod_pipeline.storage.requests import TRIES, StoreError
from rmod_pipeline.storage.store_path import StorePath
from rmod_pipeline.storage.writing import (
    OTHER_CACHE,
    check_writable_folder,
    remove_quietly,
    report_unwritable,
    temporary_file,
)

logger = logging.getLogger(__name__)

FETCHED_BYTES = 4 * 2**30
"""Disk space in the cache for fetched objects; a single object that is in use may be larger."""

SOUND_BYTES = 16 * 2**30
"""Disk space in the cache for sounds of libraries on stores; each process may exceed it by a sixteenth."""


@dataclass(slots=True)
class _CacheState:
    """What this process knows about the cache."""

    unchecked_bytes: int | None = None
    """Bytes of sounds stored since their size was last checked; None before the first check."""
    temporary: TemporaryDirectory[str] | None = None
    """The folder for fetched objects while the cache cannot be written; removed at the end of the process."""


_STATE = _CacheState()


@contextmanager
def open_for_reading(location: Location, fresh: bool = False) -> Iterator[BufferedReader]:
    """Open a file for reading; an object is fetched into the cache as a whole, once, and read there.

    ``fresh`` fetches the object in any case: a check of the bytes on a store must not read an old copy.
    """
    if isinstance(location, Path):
        with location.open("rb") as file:
            yield file
        return
    with _open_copy(location, fresh) as file:
        yield file


def fetch_to_cache(location: StorePath, fresh: bool = False) -> Path:
    """Return the path of a local copy of an object; fetch it unless the cache has this version of it.

    The copy may be removed as soon as other objects are fetched, so open it at once.
    """
    name = f"{location.version()[:32]}-{location.name[-100:]}"
    copy = cache_folder() / "fetched" / name
    if fresh or not copy.is_file():
        folder = _writable_folder()
        copy = folder / name
        if fresh or not copy.is_file():
            with temporary_file(folder / f".{uuid4().hex}") as draft:
                location.fetch(draft)
                draft.replace(copy)
            remove_oldest(copy, folder.iterdir(), FETCHED_BYTES)
    with suppress(OSError):
        os.utime(copy)
    return copy


def _writable_folder() -> Path:
    """Return the folder for fetched objects: in the cache, or a temporary one if the cache cannot be written."""
    folder = cache_folder() / "fetched"
    if _STATE.temporary is None:
        try:
            with report_unwritable(folder, OTHER_CACHE):
                folder.mkdir(parents=True, exist_ok=True)
            check_writable_folder(folder, OTHER_CACHE)
        except RmodError as error:
            logger.warning("objects are fetched to a temporary folder: %s", error)
            _STATE.temporary = TemporaryDirectory(prefix="rmod-fetched-", ignore_cleanup_errors=True)
    return folder if _STATE.temporary is None else Path(_STATE.temporary.name)


def read_from_cache(sha256: str) -> bytes | None:
    """Return the content with this checksum from the cache; None if it is not there or damaged."""
    with suppress(OSError):
        path = _sound_path(sha256)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() == sha256:
            with suppress(OSError):  # a read-only cache
                os.utime(path)
            return content
    return None


def store_in_cache(content: bytes) -> None:
    """Store content in the cache under its checksum, so that a machine fetches a sound once."""
    path = _sound_path(hashlib.sha256(content).hexdigest())
    draft = path.with_name(f".{uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(path)
        _limit_sounds(path, len(content))
    except OSError as error:
        logger.warning("a sound cannot be stored in the cache: %s", error)
        remove_quietly(draft)


def _sound_path(sha256: str) -> Path:
    return cache_folder() / "sounds" / sha256[:2] / sha256


def _limit_sounds(newest: Path, size: int) -> None:
    """Limit the disk space of the sounds. Only some calls check it, because a check lists all of them."""
    if _STATE.unchecked_bytes is not None and _STATE.unchecked_bytes + size < SOUND_BYTES // 16:
        _STATE.unchecked_bytes += size
    else:
        _STATE.unchecked_bytes = 0
        remove_oldest(newest, newest.parent.parent.glob("*/*"), SOUND_BYTES)


def _open_copy(location: StorePath, fresh: bool) -> BufferedReader:
    for _ in range(TRIES):
        copy = fetch_to_cache(location, fresh)
        with suppress(FileNotFoundError):  # another process has just removed it to make room
            return copy.open("rb")
    raise StoreError(location, "its cached copy is removed before it can be opened", "check the disk of RMOD_CACHE")


def remove_oldest(newest: Path, paths: Iterable[Path], limit_bytes: int) -> None:
    """Remove the least recently used files, but never the newest, until the rest fits into the limit."""
    files = []
    with suppress(OSError):
        for path in paths:
            with suppress(FileNotFoundError):  # another process removes files too
                files.append((path.stat(), path))
        total = sum(status.st_size for status, _ in files)
        for status, path in sorted(files, key=lambda file: file[0].st_mtime):
            if total <= limit_bytes:
                return
            if path == newest:
                continue
            path.unlink(missing_ok=True)
            total -= status.st_size
