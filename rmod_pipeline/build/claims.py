"""Leases on shards, so that two runs on one folder share the work.

A lease saves work and guards nothing: if two runs make the same shard all the same, they publish the same bytes.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from rmod_pipeline.shards.publish import process_alive

LEASE_SECONDS = 60.0
RENEW_SECONDS = 10.0


class Claim:
    """A lease on one shard: a file that its owner touches now and then, and that is void once it is old."""

    def __init__(self, folder: Path, shard: str) -> None:
        self._path = folder / shard
        self._renewed = 0.0

    def take(self) -> bool:
        """Take the lease if it is free, expired or held by a process of this machine that is gone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._create():
            return True
        if not self._void():
            return False
        # Two runs may both find it void and both go on: see above.
        self._path.unlink(missing_ok=True)
        return self._create()

    def held(self) -> bool:
        """Return whether somebody has the lease, and it is not void."""
        return self._path.exists() and not self._void()

    def renew(self) -> None:
        """Say that the shard is still being made."""
        now = time.monotonic()
        if now - self._renewed > RENEW_SECONDS:
            self._renewed = now
            with suppress(OSError):
                os.utime(self._path)

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._path.unlink(missing_ok=True)

    def _create(self) -> bool:
        try:
            with self._path.open("x") as file:
                file.write(f"{socket.gethostname()} {os.getpid()}")
        except FileExistsError:
            return False
        except OSError:
            self._path.unlink(missing_ok=True)  # a full disk: a lease without an owner would be in force
            raise
        self._renewed = time.monotonic()
        return True

    def _void(self) -> bool:
        try:
            age = time.time() - self._path.stat().st_mtime
            host, _, process = self._path.read_text().partition(" ")
        except OSError:
            return True  # given back this moment
        if age > LEASE_SECONDS:
            return True
        return host == socket.gethostname() and process.isdecimal() and not process_alive(int(process))
