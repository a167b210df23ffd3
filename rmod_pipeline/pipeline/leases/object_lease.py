"""Lease a shard by an object on a store, which names the owner and the end of the lease.

A store has neither links nor locks, so a conditional write decides who gets a lease. On a store without conditional
writes two runs may get the same lease; then both make the shard, with equal bytes.
"""

from __future__ import annotations

import json
import os
import time
from typing import ClassVar
from uuid import uuid4

from rmod_pipeline.pipeline.leases.base import Lease
from rmod_pipeline.storage import StorePath
from rmod_pipeline.storage.process_identity import has_ended, machine_id

LEASE_SECONDS = 180.0
"""Longer than on a disk: the upload of a tar takes a while, and the clocks of machines differ by seconds."""


class ObjectLease(Lease):
    """A lease in an object that its owner rewrites regularly; the lease is void when its end has passed."""

    renew_seconds: ClassVar[float] = 30.0

    def __init__(self, location: StorePath) -> None:
        super().__init__()
        self._location = location
        self._owner = uuid4().hex

    def acquire(self) -> bool:
        """Acquire the lease if it is free or void; return whether this process holds it now."""
        existing = self._read()  # read it first: not every store refuses to replace an object
        if existing and not _is_void(existing):
            return existing.get("owner") == self._owner  # written by a request whose answer was lost
        if existing:
            self._location.unlink(missing_ok=True)  # two runs may both do this and continue: see above
        # A retried request is refused if its first try succeeded, so a refused lease may be our own.
        return self._location.create(self._encode()) or self._is_ours()

    def is_held(self) -> bool:
        """Return whether a process holds the lease and it is not void."""
        return not _is_void(self._read())

    def _renew(self) -> None:
        if self._is_ours():
            self._location.write_bytes(self._encode())

    def _release(self) -> None:
        if self._is_ours():
            self._location.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        return self._read().get("owner") == self._owner

    def _encode(self) -> bytes:
        content = {
            "owner": self._owner,
            "machine": machine_id(),
            "process": os.getpid(),
            "until": time.time() + LEASE_SECONDS,
        }
        return json.dumps(content).encode()

    def _read(self) -> dict[str, object]:
        """Return the content of the lease; empty if there is none or it is damaged."""
        try:
            return dict(json.loads(self._location.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return {}


def _is_void(lease: dict[str, object]) -> bool:
    until, process = lease.get("until"), lease.get("process")
    if not isinstance(until, int | float) or until < time.time():
        return True
    return isinstance(process, int) and has_ended(str(lease.get("machine")), process)
