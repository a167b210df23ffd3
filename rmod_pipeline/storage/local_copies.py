"""Local copies of what lies on a store, in the cache: fetched once, the longest unused gone first."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from uuid import uuid4

from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.locations import Location
from rmod_pipeline.storage.requests import TRIES, StoreError
from rmod_pipeline.storage.store_path import StorePath

logger = logging.getLogger(__name__)

FETCHED_BYTES = 4 * 2**30
"""Disk that copies of what was read from stores may take in the cache; the one in use may be larger."""


KEPT_BYTES = 16 * 2**30
"""Disk that sounds of libraries on stores may take in the cache; processes may go beyond it by a sixteenth each."""


@dataclass(slots=True)
class _Kept:
    """What this process knows of the sounds that are kept."""

    unlooked: int | None = None
    """Bytes kept since it last looked how much is there; None if it never did."""


_KEPT = _Kept()


@contextmanager
def opened(where: Location, fresh: bool = False) -> Iterator[BufferedReader]:
    """Give a file for reading; one on a store is fetched whole, once, into the cache, and read there.

    ``fresh`` fetches it in any case: who asks whether a store's bytes are right must not be shown a copy of yesterday.
    """
    if isinstance(where, Path):
        with where.open("rb") as file:
            yield file
        return
    with _open_copy(where, fresh) as file:
        yield file


def kept_copy(where: StorePath, fresh: bool = False) -> Path:
    """Return a local copy of an object, in the cache; fetched unless the same version of it is there.

    It may go as soon as others are fetched: open it at once.
    """
    folder = cache_folder() / "fetched"
    copy = folder / f"{where.version()[:32]}-{where.name[-100:]}"
    if fresh or not copy.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{uuid4().hex}"
        try:
            where.fetch(draft)
            draft.replace(copy)
        finally:
            draft.unlink(missing_ok=True)
        _make_room(copy, folder.iterdir(), FETCHED_BYTES)
    with suppress(OSError):
        os.utime(copy)
    return copy


def read_kept(sha256: str) -> bytes | None:
    """Return the bytes of a checksum, if they are in the cache and whole."""
    with suppress(OSError):
        kept = _kept(sha256)
        data = kept.read_bytes()
        if hashlib.sha256(data).hexdigest() == sha256:
            with suppress(OSError):  # a cache that may only be read
                os.utime(kept)
            return data
    return None


def keep(data: bytes) -> None:
    """Keep bytes in the cache by their checksum, so that a machine fetches a sound once."""
    kept = _kept(hashlib.sha256(data).hexdigest())
    draft = kept.with_name(f".{uuid4().hex}")
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(data)
        draft.replace(kept)
        _look_after_kept(kept, len(data))
    except OSError as error:
        logger.warning("a sound cannot be kept in the cache: %s", error)
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _kept(sha256: str) -> Path:
    return cache_folder() / "sounds" / sha256[:2] / sha256


def _look_after_kept(newest: Path, size: int) -> None:
    """Make room among the kept sounds now and then: to look through all of them for every one would take long."""
    if _KEPT.unlooked is not None and _KEPT.unlooked + size < KEPT_BYTES // 16:
        _KEPT.unlooked += size
    else:
        _KEPT.unlooked = 0
        _make_room(newest, newest.parent.parent.glob("*/*"), KEPT_BYTES)


def _open_copy(where: StorePath, fresh: bool) -> BufferedReader:
    for _ in range(TRIES):
        copy = kept_copy(where, fresh)
        with suppress(FileNotFoundError):  # another process has made room between the two
            return copy.open("rb")
    raise StoreError(where, "its copy is gone as soon as it is made", "look at the disk that RMOD_CACHE is on")


def _make_room(newest: Path, paths: Iterable[Path], most: int) -> None:
    """Remove the copies that were not used for longest, until the others fit."""
    found = []
    with suppress(OSError):
        for path in paths:
            with suppress(FileNotFoundError):  # another process makes room too
                found.append((path.stat(), path))
        taken = sum(status.st_size for status, _ in found)
        for status, path in sorted(found, key=lambda each: each[0].st_mtime):
            if taken <= most:
                return
            if path == newest:
                continue
            path.unlink(missing_ok=True)
            taken -= status.st_size
