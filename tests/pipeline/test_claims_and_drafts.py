"""A lease on a shard ends with its holder, and what a killed process left behind is swept; nobody else's is."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from rmod_pipeline.pipeline.leases import file_lease
from rmod_pipeline.pipeline.leases.file_lease import CLOCK_SECONDS, LEASE_SECONDS, FileLease
from rmod_pipeline.storage import process_identity as machines
from rmod_pipeline.storage.process_identity import machine_id
from rmod_pipeline.storage.publish import ABANDONED_SECONDS, draft, publish_new, sweep_drafts
from tests.tiny_build import eventually


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    return run.pid


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are renewed all the time."""
    monkeypatch.setattr(FileLease, "every", 0.01)


def held_by(folder: Path, where: str, process: int, seconds_ago: float = 0) -> FileLease:
    path = folder / "train-000000"
    path.write_text(f"{where} {process} an-owner")
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return FileLease(folder, path.name)


def test_a_lease_is_had_by_one(tmp_path: Path) -> None:
    first, second = FileLease(tmp_path, "train-000000"), FileLease(tmp_path, "train-000000")
    assert first.take()
    assert not second.take()
    assert second.held()
    with first:
        pass
    assert not second.held()
    assert second.take()


def test_a_lease_ends_with_its_holder(tmp_path: Path, dead: int) -> None:
    assert held_by(tmp_path, machine_id(), dead).take()
    assert not held_by(tmp_path, machine_id(), os.getpid()).take()
    assert not held_by(tmp_path, "elsewhere", dead).take()
    assert held_by(tmp_path, "elsewhere", dead, LEASE_SECONDS + 1).take()
    assert held_by(tmp_path, machine_id(), os.getpid(), LEASE_SECONDS + 1).take()
    assert [path.name for path in tmp_path.iterdir()] == ["train-000000"], "nothing is left of what was void"


def test_a_process_of_another_container_is_not_taken_for_dead(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two containers may bear one host name, and number their processes alike."""
    here = machine_id()
    monkeypatch.setattr(machines.Path, "readlink", lambda _: Path("pid:[7]"))
    machine_id.cache_clear()
    try:
        assert machine_id() != here
        assert machine_id().rpartition("-")[0] == here.rpartition("-")[0]
        assert not held_by(tmp_path, here, dead).take()
        (tmp_path / f"a.tar.{here}.{dead}.0a").write_text("")
        sweep_drafts(tmp_path)
        assert (tmp_path / f"a.tar.{here}.{dead}.0a").exists()
        monkeypatch.setattr(machines.Path, "readlink", lambda _: (_ for _ in ()).throw(FileNotFoundError()))
        machine_id.cache_clear()
        assert machine_id() == here.rpartition("-")[0], "without /proc it is the host"
    finally:
        machine_id.cache_clear()


def test_a_lease_lasts_as_long_as_its_owner_works(tmp_path: Path, quick: None) -> None:
    """While a tar is checked, synced and put, or an encoder is waited for, no pair is made."""
    claim = FileLease(tmp_path, "train-000000")
    assert claim.take()

    def grow_old() -> None:
        os.utime(tmp_path / "train-000000", (time.time() - LEASE_SECONDS - 1,) * 2)

    with claim:
        grow_old()
        assert eventually(FileLease(tmp_path, "train-000000").held, 5)
    assert not (tmp_path / "train-000000").exists()


def test_a_lease_of_one_that_hangs_expires(tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_lease, "PATIENCE_SECONDS", 0.2)
    claim, other = FileLease(tmp_path, "train-000000"), FileLease(tmp_path, "train-000000")
    assert claim.take()
    with claim:
        time.sleep(0.3)
        os.utime(tmp_path / "train-000000", (time.time() - LEASE_SECONDS - 1,) * 2)
        time.sleep(0.1)
        assert other.take()
        claim.renew()  # it was slow after all
        (tmp_path / "train-000000").touch()
        touched = (tmp_path / "train-000000").stat().st_mtime_ns
        time.sleep(0.1)
        assert (tmp_path / "train-000000").stat().st_mtime_ns == touched, "another's lease is not renewed"
    assert other.held(), "nor given back"


def test_of_two_that_find_a_lease_void_one_gets_it(tmp_path: Path) -> None:
    for turn in range(20):
        folder = tmp_path / str(turn)
        folder.mkdir()
        held_by(folder, "elsewhere", 1, LEASE_SECONDS + 1)
        barrier = Barrier(8)

        def take(_: int, folder: Path = folder, barrier: Barrier = barrier) -> bool:
            claim = FileLease(folder, "train-000000")
            barrier.wait()
            return claim.take()

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(take, range(8))) == 1
        assert [path.name for path in folder.iterdir()] == ["train-000000"]


def test_a_lease_that_was_taken_since_it_was_found_void_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_by(tmp_path, machine_id(), os.getpid())
    found = iter([True])
    void = file_lease._void
    monkeypatch.setattr(file_lease, "_void", lambda path: next(found, None) or void(path))
    assert not FileLease(tmp_path, "train-000000").take()
    assert (tmp_path / "train-000000").read_text() == f"{machine_id()} {os.getpid()} an-owner"
    assert len(list(tmp_path.iterdir())) == 1


def test_one_that_was_killed_while_it_took_a_lease_over_blocks_nobody(tmp_path: Path) -> None:
    held_by(tmp_path, "elsewhere", 1, LEASE_SECONDS + 1)
    sign = tmp_path / ".train-000000.taking"
    sign.touch()
    claim = FileLease(tmp_path, "train-000000")
    assert not claim.take(), "somebody is at it"
    os.utime(sign, (time.time() - LEASE_SECONDS - 1,) * 2)
    assert [claim.take(), claim.take()] == [False, True]


def test_a_lease_that_cannot_be_given_back_fails_no_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = FileLease(tmp_path, "train-000000")
    assert claim.take()
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    with claim:
        pass
    monkeypatch.undo()
    assert (tmp_path / "train-000000").exists(), "it ends by itself"


def test_it_is_the_clock_of_the_disk_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's clock may be off, or this machine's; the files' times are the server's."""
    now = time.time
    for number, off in enumerate((-3600, 3600)):
        monkeypatch.setattr(file_lease.time, "time", lambda off=off: now() + off)
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "train-000000"
        path.write_text("elsewhere 1 an-owner")
        claim = FileLease(folder, path.name)
        assert not claim.take()
        os.utime(path, (now() - LEASE_SECONDS - 1,) * 2)
        assert claim.take()


def test_leases_can_be_looked_at_where_nothing_may_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_by(tmp_path, "elsewhere", 1)
    monkeypatch.setattr(file_lease.tempfile, "NamedTemporaryFile", lambda **_: (_ for _ in ()).throw(PermissionError()))
    assert FileLease(tmp_path, "train-000000").held()
    os.utime(tmp_path / "train-000000", (time.time() - LEASE_SECONDS - CLOCK_SECONDS,) * 2)
    assert not FileLease(tmp_path, "train-000000").held()


def test_a_lease_that_could_not_be_written_down_is_nobodys(tmp_path: Path) -> None:
    """On a full disk a file can be made, but nothing written into it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            FileLease(tmp_path, "train-000000").take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_only_what_nobody_works_on_is_swept(tmp_path: Path, dead: int) -> None:
    here = machine_id()
    kept = [
        f"train-000000.tar.{here}.{os.getpid()}.0a",
        f"train-000000.tar.is_remote.{dead}.0b",
        ".nfs0001",
        "notes.txt",
    ]
    swept = [f"train-000000.tar.{here}.{dead}.0c", f"build.json.{here}.{dead}.0d"]
    abandoned = f"train-000000.tar.is_remote.{dead}.0e"
    for name in [*kept, *swept, abandoned]:
        (tmp_path / name).write_text("")
    os.utime(tmp_path / abandoned, (time.time() - ABANDONED_SECONDS - 1,) * 2)
    sweep_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_draft_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), draft(tmp_path, "train-000000.tar") as path:
        path.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_of_two_that_publish_one_name_the_first_stays(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))
    for content in (b"first", b"second"):
        publish_new(content, tmp_path / "build.json", tmp_path / "drafts")
    assert (tmp_path / "build.json").read_bytes() == b"first"
    assert not list((tmp_path / "drafts").iterdir())
