"""A lease in an object is held by one process, is renewed, and ends with its owner; checked with a real S3 server."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from rmod_pipeline.pipeline.leases import make_lease
from rmod_pipeline.pipeline.leases.object_lease import ObjectLease
from rmod_pipeline.storage.process_identity import machine_id
from tests.store_build import data_path
from tests.tiny_build import wait_until


def test_one_process_holds_a_lease_and_it_ends_with_its_owner(bucket: Any, ended_process: int) -> None:
    folder = data_path(bucket) / "log" / "claims"
    first, second = make_lease(folder, "a"), make_lease(folder, "a")
    assert isinstance(first, ObjectLease)
    assert first.acquire()
    assert not second.acquire()
    assert second.is_held()
    with first:
        pass
    assert not second.is_held()
    assert second.acquire()

    def write_lease(machine: str, process: int, seconds: float) -> ObjectLease:
        content = {"owner": "x", "machine": machine, "process": process, "until": time.time() + seconds}
        (folder / "b").write_bytes(json.dumps(content).encode())
        return ObjectLease(folder / "b")

    assert write_lease(machine_id(), ended_process, 60).acquire()
    assert not write_lease(machine_id(), os.getpid(), 60).acquire()
    assert not write_lease("elsewhere", ended_process, 60).acquire()
    assert write_lease("elsewhere", ended_process, -1).acquire()


def test_a_lease_is_renewed_and_may_be_acquired_twice(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = ObjectLease(data_path(bucket) / "a")
    assert lease.acquire()
    assert lease.acquire(), "the answer to the first request may have been lost"
    monkeypatch.setattr(ObjectLease, "renew_seconds", 0.01)
    before = json.loads(bucket.get("data/a"))["until"]
    with lease:
        assert wait_until(lambda: json.loads(bucket.get("data/a"))["until"] > before)
    assert not bucket.keys("data/a")


def test_the_lease_of_another_process_is_neither_renewed_nor_released(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner was slow, and another process has taken it over."""
    monkeypatch.setattr(ObjectLease, "renew_seconds", 0.01)
    slow, quick = ObjectLease(data_path(bucket) / "a"), ObjectLease(data_path(bucket) / "a")
    assert slow.acquire()
    content = json.loads(bucket.get("data/a"))
    bucket.put("data/a", json.dumps({**content, "until": time.time() - 1}).encode())
    assert quick.acquire()
    taken_over = bucket.get("data/a")
    with slow:
        time.sleep(0.2)
    assert bucket.get("data/a") == taken_over
    bucket.server.fault = lambda method, _path: 500 if method == "DELETE" else None
    with quick:
        pass  # an error of the store here fails no shard
