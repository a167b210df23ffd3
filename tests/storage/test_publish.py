"""Drafts are removed unless they are published, and of two files with one name the first stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmod_pipeline.storage.process_identity import machine_id
from rmod_pipeline.storage.publish import ABANDONED_SECONDS, draft, publish_new, sweep_drafts


def test_only_abandoned_drafts_are_swept(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    kept = [
        f"train-000000.tar.{machine_id()}.{os.getpid()}.0a",
        f"train-000000.tar.elsewhere.{process.pid}.0b",
        ".nfs0001",
        "notes.txt",
    ]
    swept = [
        f"train-000000.tar.{machine_id()}.{process.pid}.0c",
        f"build.json.{machine_id()}.{process.pid}.0d",
    ]
    old = f"train-000000.tar.elsewhere.{process.pid}.0e"
    for name in [*kept, *swept, old]:
        (tmp_path / name).write_text("")
    os.utime(tmp_path / old, (time.time() - ABANDONED_SECONDS - 1,) * 2)
    sweep_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


def test_a_failed_draft_is_removed(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), draft(tmp_path, "train-000000.tar") as path:
        path.write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False], ids=["with hard links", "without"])
def test_the_first_of_two_files_with_one_name_stays(
    links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))
    written = [publish_new(content, tmp_path / "build.json", tmp_path / "drafts") for content in (b"first", b"second")]
    assert written == [True, False]
    assert (tmp_path / "build.json").read_bytes() == b"first"
    assert not list((tmp_path / "drafts").iterdir())
