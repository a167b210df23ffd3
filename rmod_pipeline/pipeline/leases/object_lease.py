"""Leases on shards of a data set on an object store: an object that says who works on a shard, and until when.

As on a disk, a lease saves work and guards nothing: if two runs make the same shard all the same, they publish the same
bytes. A store has neither links nor locks, so what decides is an exclusive put, and where a store has none, two may
both go on.
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
"""Longer than on a disk: a shard's tar is under way for a while, and machines' clocks differ by seconds."""

LOOK_SECONDS = 5.0
"""Between looks at shards that another run is making: each is some requests."""


class ObjectLease(Lease):
    """A lease on one shard: an object that its owner writes anew now and then, and that is void once its time is up."""

    every: ClassVar[float] = 30.0

    def __init__(self, place: StorePath) -> None:
        super().__init__()
        self._place = place
        self._owner = uuid4().hex

    def take(self) -> bool:
        """Take the lease if it is free, expired or held by a process of this machine that is gone."""
        there = self._read()  # looked at first: not every store refuses to put what is there
        if there and not _void(there):
            return there.get("owner") == self._owner  # put by a request whose answer got lost
        if there:
            self._place.unlink(missing_ok=True)  # two runs may both find it void and both go on: see above
        return self._place.create(self._content()) or self._ours()  # refused, it may be our own: see above

    def held(self) -> bool:
        """Return whether somebody has the lease, and it is not void."""
        return not _void(self._read())

    def _extend(self) -> None:
        if self._ours():
            self._place.write_bytes(self._content())

    def _give_back(self) -> None:
        if self._ours():
            self._place.unlink(missing_ok=True)

    def _ours(self) -> bool:
        return self._read().get("owner") == self._owner

    def _content(self) -> bytes:
        said = {
            "owner": self._owner,
            "machine": machine_id(),
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
    return isinstance(process, int) and has_ended(str(lease.get("machine")), process)
