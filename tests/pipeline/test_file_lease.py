"""A lease in a file is held by one process, is renewed while the shard makes progress, and ends with its owner."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from rmod_pipeline.pipeline.leases import base, file_lease
from rmod_pipeline.pipeline.leases.file_lease import CLOCK_SECONDS, LEASE_SECONDS, FileLease
from rmod_pipeline.storage.process_identity import machine_id
from rmod_pipeline.storage.publish import sweep_drafts
from tests.tiny_build import wait_until

SHARD = "train-000000"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renew leases all the time."""
    monkeypatch.setattr(FileLease, "renew_seconds", 0.01)


def set_age(path: Path, seconds: float) -> None:
    """Make a file look as if it was written some seconds ago."""
    os.utime(path, (time.time() - seconds,) * 2)


def write_lease(folder: Path, machine: str, process: int, seconds_ago: float = 0) -> FileLease:
    """Write the lease of a process, and return another process's lease on the same shard."""
    path = folder / SHARD
    path.write_text(f"{machine} {process} an-owner")
    set_age(path, seconds_ago)
    return FileLease(folder, SHARD)


def test_one_process_holds_a_lease(tmp_path: Path) -> None:
    first, second = FileLease(tmp_path, SHARD), FileLease(tmp_path, SHARD)
    assert first.acquire()
    assert not second.acquire()
    assert second.is_held()
    with first:
        pass
    assert not second.is_held()
    assert second.acquire()


def test_a_lease_ends_with_its_owner_or_by_age(tmp_path: Path, ended_process: int) -> None:
    assert write_lease(tmp_path, machine_id(), ended_process).acquire()
    assert not write_lease(tmp_path, machine_id(), os.getpid()).acquire()
    assert not write_lease(tmp_path, "elsewhere", ended_process).acquire()
    assert write_lease(tmp_path, "elsewhere", ended_process, LEASE_SECONDS + 1).acquire()
    assert write_lease(tmp_path, machine_id(), os.getpid(), LEASE_SECONDS + 1).acquire()
    assert [path.name for path in tmp_path.iterdir()] == [SHARD], "nothing remains of the void leases"


def test_a_process_of_another_container_does_not_count_as_ended(
    tmp_path: Path, ended_process: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers may have the same host name and the same process ids."""
    machine = machine_id()
    monkeypatch.setattr(Path, "readlink", lambda _: Path("pid:[7]"))
    machine_id.cache_clear()
    try:
        assert machine_id() != machine
        assert machine_id().rpartition("-")[0] == machine.rpartition("-")[0]
        assert not write_lease(tmp_path, machine, ended_process).acquire()
        (tmp_path / f"a.tar.{machine}.{ended_process}.0a").write_text("")
        sweep_drafts(tmp_path)
        assert (tmp_path / f"a.tar.{machine}.{ended_process}.0a").exists()
        monkeypatch.setattr(Path, "readlink", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
        machine_id.cache_clear()
        assert machine_id() == machine.rpartition("-")[0], "without /proc it is the host name"
    finally:
        machine_id.cache_clear()


def test_a_lease_is_renewed_while_its_owner_works(tmp_path: Path, quick: None) -> None:
    """No pair is made while a tar is checked, synced and uploaded, or while an encoder is awaited."""
    lease = FileLease(tmp_path, SHARD)
    assert lease.acquire()
    with lease:
        set_age(tmp_path / SHARD, LEASE_SECONDS + 1)
        assert wait_until(FileLease(tmp_path, SHARD).is_held)
    assert not (tmp_path / SHARD).exists()


def test_the_lease_of_a_stalled_owner_expires(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "STALL_SECONDS", 0.2)
    lease, other = FileLease(tmp_path, SHARD), FileLease(tmp_path, SHARD)
    assert lease.acquire()
    with lease:
        time.sleep(0.3)
        set_age(tmp_path / SHARD, LEASE_SECONDS + 1)
        time.sleep(0.1)
        assert other.acquire()
        lease.report_progress()  # it was only slow
        (tmp_path / SHARD).touch()
        touched = (tmp_path / SHARD).stat().st_mtime_ns
        time.sleep(0.1)
        assert (tmp_path / SHARD).stat().st_mtime_ns == touched, "the lease of another process is not renewed"
    assert other.is_held(), "the lease of another process is not released"


def test_one_of_several_processes_takes_a_void_lease_over(tmp_path: Path) -> None:
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        write_lease(folder, "elsewhere", 1, LEASE_SECONDS + 1)
        barrier = Barrier(8)

        def acquire(_: int, folder: Path = folder, barrier: Barrier = barrier) -> bool:
            lease = FileLease(folder, SHARD)
            barrier.wait()
            return lease.acquire()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(acquire, range(8))) == 1
        assert [path.name for path in folder.iterdir()] == [SHARD]


def test_a_lease_that_was_just_taken_over_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lease(tmp_path, machine_id(), os.getpid())
    first_answers = iter([True])
    is_void = file_lease._is_void
    monkeypatch.setattr(file_lease, "_is_void", lambda path: next(first_answers, None) or is_void(path))
    assert not FileLease(tmp_path, SHARD).acquire()
    assert (tmp_path / SHARD).read_text() == f"{machine_id()} {os.getpid()} an-owner"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_process_killed_during_a_take_over_blocks_nobody(tmp_path: Path) -> None:
    write_lease(tmp_path, "elsewhere", 1, LEASE_SECONDS + 1)
    marker = tmp_path / f".{SHARD}.taking"
    marker.touch()
    lease = FileLease(tmp_path, SHARD)
    assert not lease.acquire(), "another process is taking it over"
    set_age(marker, LEASE_SECONDS + 1)
    assert [lease.acquire(), lease.acquire()] == [False, True]


def test_an_error_while_a_lease_is_released_fails_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = FileLease(tmp_path, SHARD)
    assert lease.acquire()
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with lease:
        pass
    monkeypatch.undo()
    assert (tmp_path / SHARD).exists(), "it expires"


def test_ages_use_the_clock_of_the_file_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of a server and of this machine may differ; the times of files are the server's."""
    now = time.time
    for number, offset in enumerate((-3600, 3600)):
        monkeypatch.setattr(time, "time", lambda offset=offset: now() + offset)
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / SHARD
        path.write_text("elsewhere 1 an-owner")
        lease = FileLease(folder, SHARD)
        assert not lease.acquire()
        os.utime(path, (now() - LEASE_SECONDS - 1,) * 2)
        assert lease.acquire()


def test_leases_can_be_read_in_a_read_only_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lease(tmp_path, "elsewhere", 1)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", lambda **_: (_ for _ in ()).throw(PermissionError()))
    assert FileLease(tmp_path, SHARD).is_held()
    set_age(tmp_path / SHARD, LEASE_SECONDS + CLOCK_SECONDS)
    assert not FileLease(tmp_path, SHARD).is_held()


def test_a_lease_that_cannot_be_written_is_removed(tmp_path: Path) -> None:
    """On a full disk a file can be created, but not filled."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            FileLease(tmp_path, SHARD).acquire()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_lease_that_is_released_meanwhile_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner releases it at the first look, or at the second, within the take-over."""
    is_void = file_lease._is_void
    for looks in (1, 2):
        lease, left = write_lease(tmp_path, "elsewhere", 1, 10 * LEASE_SECONDS), [looks]

        def release_and_look(path: Path, left: list[int] = left) -> bool:
            left[0] -= 1
            if not left[0]:
                path.unlink()
            return is_void(path)

        with monkeypatch.context() as patched:
            patched.setattr(file_lease, "_is_void", release_and_look)
            assert lease.acquire()
        assert lease._is_ours()
        assert [path.name for path in tmp_path.iterdir()] == [SHARD], "no marker and no draft is left"


def test_a_lease_that_somebody_removed_is_nobodys(tmp_path: Path) -> None:
    lease = FileLease(tmp_path, SHARD)
    assert lease.acquire()
    (tmp_path / SHARD).unlink()
    assert not lease._is_ours()
    lease._release()
