"""Leases on shards, so that two runs on one folder share the work.

A lease saves work and guards nothing: if two runs make the same shard all the same, they publish the same bytes.
"""

from __future__ import annotations

import logging
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import ClassVar
from uuid import uuid4

from rmod_pipeline.pipeline.leases.base import Lease
from rmod_pipeline.storage.process_identity import has_ended, machine_id

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0

CLOCK_SECONDS = 60.0
"""Between looks at how far the clock of a disk's server is from this machine's."""


class FileLease(Lease):
    """A lease on one shard: a file that its owner touches now and then, and that is void once it is old."""

    every: ClassVar[float] = 10.0

    def __init__(self, folder: Path, shard: str) -> None:
        super().__init__()
        self._path = folder / shard
        self._said = f"{machine_id()} {os.getpid()} {uuid4().hex}"

    def take(self) -> bool:
        """Take the lease if it is free, expired or held by a process of this machine that is gone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._create():
            return True
        try:
            return _void(self._path) and self._take_over()
        except FileNotFoundError:
            return self._create()  # given back this moment

    def held(self) -> bool:
        """Return whether somebody has the lease, and it is not void."""
        try:
            return not _void(self._path)
        except OSError:
            return False

    def _create(self) -> bool:
        try:
            with self._path.open("x") as file:
                file.write(self._said)
        except FileExistsError:
            return False
        except OSError:
            self._path.unlink(missing_ok=True)  # a full disk: a lease without an owner would be in force
            raise
        return True

    def _take_over(self) -> bool:
        """Put this lease in the place of a void one; of several that want to, one does."""
        sign = self._path.with_name(f".{self._path.name}.taking")
        draft = self._path.with_name(f".{self._path.name}.{uuid4().hex[:8]}")
        try:
            sign.open("x").close()
        except FileExistsError:
            with suppress(OSError):
                if _age(sign) > LEASE_SECONDS:
                    sign.unlink()  # of one that was killed at it
            return False
        try:
            if not _void(self._path):
                return False  # another was quicker
            draft.write_text(self._said)
            draft.replace(self._path)
            return True
        except FileNotFoundError:
            return self._create()  # given back this moment
        finally:
            draft.unlink(missing_ok=True)
            sign.unlink(missing_ok=True)

    def _extend(self) -> None:
        if self._ours():
            os.utime(self._path)

    def _give_back(self) -> None:
        if self._ours():
            self._path.unlink(missing_ok=True)

    def _ours(self) -> bool:
        try:
            return self._path.read_text(errors="replace") == self._said
        except FileNotFoundError:
            return False


def _void(path: Path) -> bool:
    """Return whether a lease is in force no more. Raises FileNotFoundError if it was given back."""
    with path.open(errors="replace") as file:  # opened, a shared disk tells its time afresh
        where, process = [*file.read().split(), "", ""][:2]
        age = _age(path)
    return age > LEASE_SECONDS or (process.isdecimal() and has_ended(where, int(process)))


def _age(path: Path) -> float:
    return _clock(path.parent) - path.stat().st_mtime


_clocks: dict[Path, tuple[float, float]] = {}
"""By folder: when it was looked at, and how far its server's clock was ahead of this machine's."""


def _clock(folder: Path) -> float:
    """Return the time by the clock that a folder's files get theirs from; by this machine's if nothing can be written.

    On a shared disk that is the server's, which may be minutes off.
    """
    looked, ahead = _clocks.get(folder, (-CLOCK_SECONDS, 0.0))
    if time.monotonic() - looked >= CLOCK_SECONDS:
        ahead = 0.0
        with suppress(OSError), tempfile.NamedTemporaryFile(prefix=".clock-", dir=folder) as file:
            os.utime(file.name)
            ahead = Path(file.name).stat().st_mtime - time.time()
        _clocks[folder] = time.monotonic(), ahead
    return time.time() + ahead
