"""Lease a shard by a file on a disk, which may be shared by several machines."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from rmod_pipeline.pipeline.leases.base import Lease
from rmod_pipeline.storage.process_identity import has_ended, machine_id
from rmod_pipeline.storage.writing import remove_quietly

LEASE_SECONDS = 60.0

CLOCK_SECONDS = 60.0
"""Interval between measurements of the difference between the clocks of a file server and of this machine."""


class FileLease(Lease):
    """A lease in a file that its owner touches regularly; the lease is void when the file is old."""

    renew_seconds: ClassVar[float] = 10.0

    def __init__(self, folder: Path, shard: str) -> None:
        super().__init__()
        self._path = folder / shard
        self._content = f"{machine_id()} {os.getpid()} {uuid4().hex}"

    def acquire(self) -> bool:
        """Acquire the lease if it is free or void; return whether this process holds it now."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._create():
            return True
        try:
            return _is_void(self._path) and self._take_over()
        except FileNotFoundError:
            return self._create()  # the owner has just released it

    def is_held(self) -> bool:
        """Return whether a process holds the lease and it is not void."""
        try:
            return not _is_void(self._path)
        except OSError:
            return False

    def _create(self) -> bool:
        """Write the lease unless it exists; return whether it was written."""
        try:
            with self._path.open("x") as file:
                file.write(self._content)
        except FileExistsError:
            return False
        except OSError:
            remove_quietly(self._path)  # on a full disk: an empty file would be a lease without an owner
            raise
        return True

    def _take_over(self) -> bool:
        """Replace a void lease by this one; if several processes try, one of them succeeds."""
        marker = self._path.with_name(f".{self._path.name}.taking")
        draft = self._path.with_name(f".{self._path.name}.{uuid4().hex[:8]}")
        try:
            marker.open("x").close()
        except FileExistsError:
            with suppress(OSError):
                if _age(marker) > LEASE_SECONDS:
                    marker.unlink()  # its process was killed during the take-over
            return False
        try:
            if not _is_void(self._path):
                return False  # another process has just taken it over
            draft.write_text(self._content)
            draft.replace(self._path)
            return True
        except FileNotFoundError:
            return self._create()  # the owner has just released it
        finally:
            remove_quietly(draft)
            remove_quietly(marker)

    def _renew(self) -> None:
        if self._is_ours():
            os.utime(self._path)

    def _release(self) -> None:
        if self._is_ours():
            self._path.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        try:
            return self._path.read_text(errors="replace") == self._content
        except FileNotFoundError:
            return False


def _is_void(path: Path) -> bool:
    """Return whether a lease has expired or its owner has ended. Raises FileNotFoundError if it was released."""
    # Opening the file makes a network file system fetch its current time.
    with path.open(encoding="utf-8", errors="replace") as file:
        machine, process = [*file.read().split(), "", ""][:2]
        age = _age(path)
    return age > LEASE_SECONDS or (process.isdecimal() and has_ended(machine, int(process)))


def _age(path: Path) -> float:
    """Return the seconds since a file was written or touched, by the clock of its file system."""
    return _server_time(path.parent) - path.stat().st_mtime


_clock_offsets: dict[Path, tuple[float, float]] = {}
"""By folder: the monotonic time of the last measurement, and the server's time minus this machine's, in seconds."""


def _server_time(folder: Path) -> float:
    """Return the time of the clock that stamps the files of a folder.

    On a network file system it is the server's clock, which may differ by minutes. In a folder without write access
    this machine's clock is used.
    """
    measured, offset = _clock_offsets.get(folder, (-CLOCK_SECONDS, 0.0))
    if time.monotonic() - measured >= CLOCK_SECONDS:
        offset = 0.0
        with suppress(OSError), tempfile.NamedTemporaryFile(prefix=".clock-", dir=folder) as file:
            os.utime(file.name)
            offset = Path(file.name).stat().st_mtime - time.time()
        _clock_offsets[folder] = time.monotonic(), offset
    return time.time() + offset
