"""Put finished files in their place: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from rmod_pipeline.storage import Location, StorePath, opened
from rmod_pipeline.storage.process_identity import is_gone, machine

ABANDONED_SECONDS = 24 * 3600
"""Age at which another machine's draft counts as left behind."""


@contextmanager
def draft(folder: Path, name: str) -> Iterator[Path]:
    """Give a temporary path for a file to write; it is gone afterwards unless it was published.

    The name is unique, so that two processes that make the same shard never write into one file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{machine()}.{os.getpid()}.{uuid4().hex[:8]}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def publish(temporary: Path, final: Location) -> None:
    """Move a finished file to its final name: on the disk first, then visible, then the name on the disk.

    On an object store: put it there whole.
    """
    if isinstance(final, StorePath):
        final.upload(temporary)
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    _sync_folder(final.parent)


def publish_new(content: bytes, final: Location, drafts: Path) -> None:
    """Write a small file whole unless there is one of that name already: of two that try at once, one does."""
    if isinstance(final, StorePath):
        final.create(content)
        return
    with draft(drafts, final.name) as temporary:
        temporary.write_bytes(content)
        final.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(temporary, final)
        except FileExistsError:
            return
        except OSError:
            # No hard links on this file system: the race is as good as lost to nobody.
            if not final.exists():
                temporary.replace(final)
        _sync_folder(final.parent)


def publish_bytes(content: bytes, final: Location, drafts: Location) -> None:
    """Write a small file whole or not at all."""
    if isinstance(final, StorePath) or isinstance(drafts, StorePath):
        final.write_bytes(content)
        return
    with draft(drafts, final.name) as temporary:
        temporary.write_bytes(content)
        publish(temporary, final)


def sweep_drafts(folder: Path) -> None:
    """Remove drafts that a killed process left behind: this machine's by its process, others' by age."""
    for path in folder.glob("*.*.*.*"):
        where, process, _ = path.name.rsplit(".", 3)[1:]
        with suppress(OSError):
            old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
            if old or (process.isdecimal() and is_gone(where, int(process))):
                path.unlink()


def file_digest(path: Location) -> str:
    """Return the SHA-256 of a file's bytes; of one on a store, as they are there now."""
    with opened(path, fresh=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    # Not every file system lets a folder be synced; there the rename is as safe as it gets.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
