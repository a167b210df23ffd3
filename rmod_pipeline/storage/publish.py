"""Publish finished files: a file appears under its final name complete or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from rmod_pipeline.storage import Location, StorePath, open_for_reading
from rmod_pipeline.storage.process_identity import has_ended, machine_id
from rmod_pipeline.storage.writing import temporary_file

ABANDONED_SECONDS = 24 * 3600
"""Age from which a draft of another machine counts as abandoned."""


@contextmanager
def draft(folder: Path, name: str) -> Iterator[Path]:
    """Yield a temporary path to write to; afterwards the file is removed unless it was published.

    The path is unique, so that two processes that make the same shard never write to the same file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.{machine_id()}.{os.getpid()}.{uuid4().hex[:8]}"
    with temporary_file(path):
        yield path


def publish(temporary: Path, final: Location) -> None:
    """Move a finished file to its final name: sync the file, rename it, sync the folder. On a store, upload it."""
    if isinstance(final, StorePath):
        final.upload(temporary)
        return
    final.parent.mkdir(parents=True, exist_ok=True)
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(final)
    _sync_folder(final.parent)


def publish_new(content: bytes, final: Location, drafts: Path) -> bool:
    """Write a small file unless the name exists; return whether it was written. One of two simultaneous calls wins."""
    if isinstance(final, StorePath):
        return final.create(content)
    with draft(drafts, final.name) as temporary:
        temporary.write_bytes(content)
        final.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        try:
            os.link(temporary, final)
        except FileExistsError:
            return False
        except OSError:
            # A file system without hard links: another process may still write between the check and the rename.
            if final.exists():
                return False
            temporary.replace(final)
        _sync_folder(final.parent)
    return True


def publish_bytes(content: bytes, final: Location, drafts: Location) -> None:
    """Write a small file completely or not at all, in place of an existing one."""
    if isinstance(final, StorePath) or isinstance(drafts, StorePath):
        final.write_bytes(content)
        return
    with draft(drafts, final.name) as temporary:
        temporary.write_bytes(content)
        publish(temporary, final)


def sweep_drafts(folder: Path) -> None:
    """Remove drafts of ended processes of this machine, and old drafts of other machines."""
    for path in folder.glob("*.*.*.*"):
        machine, process, _ = path.name.rsplit(".", 3)[1:]
        with suppress(OSError):
            is_old = time.time() - path.stat().st_mtime > ABANDONED_SECONDS
            if is_old or (process.isdecimal() and has_ended(machine, int(process))):
                path.unlink()


def file_digest(path: Location) -> str:
    """Return the SHA-256 of a file; for an object, of the bytes that are on the store now."""
    with open_for_reading(path, fresh=True) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    # Some file systems cannot sync a folder; there the rename alone must do.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
