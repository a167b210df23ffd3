"""Leases on shards of a data set on an object store: an object that says who works on a shard, and until when.

As on a disk, a lease saves work and guards nothing: if two runs make the same shard all the same, they publish the same
bytes. A store has neither links nor locks, so what decides is an exclusive put, and where a store has none, two may
both go on.
"""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import suppress
from types import TracebackType
from uuid import uuid4

from rmod_pipeline.build.claims import Claim
from rmod_pipeline.errors import RmodError
from rmod_pipeline.shards.publish import process_alive
from rmod_pipeline.storage import Place, StorePath

LEASE_SECONDS = 180.0
"""Longer than on a disk: a shard's tar is under way for a while, and machines' clocks differ by seconds."""

RENEW_SECONDS = 30.0

LOOK_SECONDS = 5.0
"""Between looks at shards that another run is making: each is some requests."""


def claim_on(folder: Place, shard: str) -> Claim | Lease:
    """Return the lease on a shard, to be taken; ``folder`` is where a data set's leases are."""
    return Lease(folder / shard) if isinstance(folder, StorePath) else Claim(folder, shard)


class Lease:
    """A lease on one shard: an object that its owner writes anew now and then, and that is void once its time is up."""

    def __init__(self, place: StorePath) -> None:
        self._place = place
        self._owner = uuid4().hex
        self._renewed = 0.0

    def take(self) -> bool:
        """Take the lease if it is free, expired or held by a process of this machine that is gone."""
        self._renewed = time.monotonic()
        there = self._read()  # looked at first: not every store refuses to put what is there
        if there and not _void(there):
            return there.get("owner") == self._owner
        if there:
            self._place.unlink(missing_ok=True)  # two runs may both find it void and both go on: see above
        # Refused, it may be our own: put by a request whose answer got lost.
        return self._place.create(self._content()) or self._read().get("owner") == self._owner

    def held(self) -> bool:
        """Return whether somebody has the lease, and it is not void."""
        return not _void(self._read())

    def renew(self) -> None:
        """Say that the shard is still being made."""
        now = time.monotonic()
        if now - self._renewed > RENEW_SECONDS:
            self._renewed = now
            with suppress(OSError, RmodError):
                self._place.write_bytes(self._content())

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError, RmodError):  # it ends by itself; what was made is there
            self._place.unlink(missing_ok=True)

    def _content(self) -> bytes:
        said = {
            "owner": self._owner,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "until": time.time() + LEASE_SECONDS,
        }
        return json.dumps(said).encode()

    def _read(self) -> dict[str, object]:
        try:
            return dict(json.loads(self._place.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return {}


def _void(lease: dict[str, object]) -> bool:
    until, process = lease.get("until"), lease.get("process")
    if not isinstance(until, int | float) or until < time.time():
        return True
    return lease.get("host") == socket.gethostname() and isinstance(process, int) and not process_alive(process)
