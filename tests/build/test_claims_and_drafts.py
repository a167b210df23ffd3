"""A lease on a shard ends with its holder, and what a killed process left behind is swept; nobody else's is."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmod_pipeline.build.claims import LEASE_SECONDS, Claim
from rmod_pipeline.shards import publish
from rmod_pipeline.shards.publish import ABANDONED_SECONDS, draft, publish_new, sweep_drafts


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    return run.pid


def held_by(folder: Path, host: str, process: int, seconds_ago: float = 0) -> Claim:
    path = folder / "train-000000"
    path.write_text(f"{host} {process}")
    os.utime(path, (time.time() - seconds_ago,) * 2)
    return Claim(folder, path.name)


def test_a_lease_is_had_by_one(tmp_path: Path) -> None:
    first, second = Claim(tmp_path, "train-000000"), Claim(tmp_path, "train-000000")
    assert first.take()
    assert not second.take()
    assert second.held()
    with first:
        pass
    assert not second.held()
    assert second.take()


def test_a_lease_ends_with_its_holder(tmp_path: Path, dead: int) -> None:
    assert held_by(tmp_path, socket.gethostname(), dead).take()
    assert not held_by(tmp_path, socket.gethostname(), os.getpid()).take()
    assert not held_by(tmp_path, "elsewhere", dead).take()
    assert held_by(tmp_path, "elsewhere", dead, LEASE_SECONDS + 1).take()
    assert held_by(tmp_path, socket.gethostname(), os.getpid(), LEASE_SECONDS + 1).take()


def test_a_lease_that_could_not_be_written_down_is_nobodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk a file can be made, but nothing written into it."""
    monkeypatch.setattr(socket, "gethostname", lambda: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        Claim(tmp_path, "train-000000").take()
    monkeypatch.undo()
    assert not list(tmp_path.iterdir())


def test_only_what_nobody_works_on_is_swept(tmp_path: Path, dead: int) -> None:
    host = publish._host()
    kept = [
        f"train-000000.tar.{host}.{os.getpid()}.0a",
        f"train-000000.tar.elsewhere.{dead}.0b",
        ".nfs0001",
        "notes.txt",
    ]
    swept = [f"train-000000.tar.{host}.{dead}.0c", f"build.json.{host}.{dead}.0d"]
    abandoned = f"train-000000.tar.elsewhere.{dead}.0e"
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
