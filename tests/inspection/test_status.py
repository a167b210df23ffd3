"""What `rmod status` makes of runs that failed, were killed or go on, and of damage that two runs find at once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.inspection.status import read_status
from rmod_pipeline.pipeline.event_log import append_event
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.run import receipts_of
from rmod_pipeline.shards.layout import AUDIO, Layout, plan_shards
from rmod_pipeline.shards.token_family import family_names
from tests.tiny_build import make_job

Rmod = Callable[..., Any]


def test_what_an_encode_failed_at_is_told_from_what_a_build_did(
    tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    layout, (name,) = Layout(out), family_names(out)
    family = f"tokens/{name}"
    layout.receipt("train-000001", family).unlink()
    tar = layout.tar("train-000001")
    whole = tar.read_bytes()
    tar.write_bytes(whole[: len(whole) // 2])
    encode = ["encode", out, "--codec", tiny_weights, "--batch", 4]
    assert rmod(*encode).code == 1
    said = json.loads(rmod("status", out, "--json").out)
    assert [(each["shard"], each["family"]) for each in said["failed"]] == [("train-000001", family)]
    said = rmod("status", out)
    assert said.code == 1
    assert f"train-000001 of {family}" in said.out
    assert f"the `rmod encode` command that was to make {family}" in said.out
    assert "--retry-failed" not in said.out
    tar.write_bytes(whole)
    assert rmod(*encode).code == 0
    assert rmod("status", out).code == 0


def test_a_shard_that_was_to_be_tried_again_and_never_was_has_failed(tiny_built: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    layout = Layout(out)
    append_event(layout.log, "begin")
    append_event(layout.log, "again", shard="train-000001", cause="a hiccup")
    assert not read_status(out).failed, "it is there"
    layout.receipt("train-000001").unlink()
    assert [(each.shard, each.cause) for each in read_status(out).failed] == [("train-000001", "a hiccup")]
    claim = FileLease(layout.leases, "train-000001")
    assert claim.take()
    with claim:
        assert not read_status(out).failed, "somebody is at it"
    append_event(layout.log, "shard", shard="train-000001", pairs=3)
    assert not read_status(out).failed


@pytest.fixture
def damaged(tiny_built: Path, tmp_path: Path) -> Path:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    Layout(out).tar("train-000001").write_bytes(b"cut")
    return out


def test_damage_that_two_runs_find_at_once_stops_neither(
    tiny_manifest: Path, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny_manifest, damaged)
    unlink = Path.unlink

    def twice(path: Path, missing_ok: bool = False) -> None:
        """The other run is a moment earlier."""
        unlink(path, missing_ok=True)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", twice)
    assert [plan.name for plan in job.missing(plan_shards(job.counts, job.shard_size))] == ["train-000001"]


def test_a_receipt_that_vanishes_while_it_is_summed_up_is_not_counted(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = plan_shards({"train": 10, "valid": 2}, 3)
    gone = Layout(damaged).receipt("train-000001")
    read = Path.read_bytes

    def vanishing(path: Path) -> bytes:
        if path == gone:
            gone.unlink(missing_ok=True)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", vanishing)
    assert len(receipts_of(Layout(damaged), [AUDIO], plans)) == 4
