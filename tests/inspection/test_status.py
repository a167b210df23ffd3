"""`rmod status` after failed, killed and resumed runs, and damage that two runs find at the same time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.status import _measure_rate, read_status
from rmod_pipeline.pipeline.event_log import append_event, read_events
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.run import collect_receipts
from rmod_pipeline.shards import completion
from rmod_pipeline.shards.layout import AUDIO, Layout, plan_shards
from rmod_pipeline.shards.receipt import read_receipt
from rmod_pipeline.shards.token_family import family_names
from tests.tiny_build import make_job, on_disk

Rmod = Callable[..., Any]


def test_failures_of_encode_and_build_are_distinguished(
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
    result = json.loads(rmod("status", out, "--json").out)
    assert [(shard["shard"], shard["family"]) for shard in result["failed"]] == [("train-000001", family)]
    result = rmod("status", out)
    assert result.code == 1
    assert f"train-000001 of {family}" in result.out
    assert f"the encode command of {family}" in result.out
    assert "--retry-failed" not in result.out
    tar.write_bytes(whole)
    assert rmod(*encode).code == 0
    assert rmod("status", out).code == 0


def test_a_shard_whose_retry_never_ran_has_failed(tiny_built: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    layout = Layout(out)
    append_event(layout.log, "begin")
    append_event(layout.log, "again", shard="train-000001", cause="a hiccup")
    assert not read_status(out).failed, "the shard is finished"
    layout.receipt("train-000001").unlink()
    assert [(shard.shard, shard.cause) for shard in read_status(out).failed] == [("train-000001", "a hiccup")]
    lease = FileLease(on_disk(layout.leases), "train-000001")
    assert lease.acquire()
    with lease:
        assert not read_status(out).failed, "another run has a lease"
    append_event(layout.log, "shard", shard="train-000001", pairs=3)
    assert not read_status(out).failed


@pytest.fixture
def damaged(tiny_built: Path, tmp_path: Path) -> Path:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    Layout(out).tar("train-000001").write_bytes(b"cut")
    return out


def test_damage_that_two_runs_find_at_the_same_time_stops_neither(
    tiny_manifest: Path, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny_manifest, damaged)
    unlink = Path.unlink

    def unlink_twice(path: Path, missing_ok: bool = False) -> None:
        """Delete the file as another run would, a moment before this run does."""
        unlink(path, missing_ok=True)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink_twice)
    assert [plan.name for plan in job.missing_shards(plan_shards(job.counts, job.shard_size))] == ["train-000001"]


def test_a_receipt_that_disappears_during_the_summary_is_not_counted(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = plan_shards({"train": 10, "valid": 2}, 3)
    receipt = Layout(damaged).receipt("train-000001")
    read_bytes = Path.read_bytes

    def unlink_and_read(path: Path) -> bytes:
        if path == receipt:
            receipt.unlink(missing_ok=True)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", unlink_and_read)
    assert len(collect_receipts(Layout(damaged), [AUDIO], plans)) == 4


def test_a_speed_needs_a_finished_shard_and_a_readable_time() -> None:
    begin = {"event": "begin", "time": "2026-01-01T00:00:00+00:00"}
    shard = {"event": "shard", "time": "2026-01-01T00:00:10+00:00", "pairs": 5}
    assert _measure_rate([begin], is_running=True) is None
    assert _measure_rate([begin, shard], is_running=False) == 0.5
    assert _measure_rate([{**begin, "time": "yesterday"}, shard], is_running=False) is not None


def test_no_log_holds_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none") == []


def test_a_receipt_that_another_run_handles_meanwhile_is_left_to_it(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the second it removes the receipt, or makes the shard again."""
    layout, find_damage = Layout(damaged), completion._find_damage
    receipt = layout.receipt("train-000001")
    digest, looks = read_receipt(receipt).fingerprint, list[str]()

    def mend_and_look(*arguments: object) -> str | None:
        looks.append("looked")
        return "a file is missing" if len(looks) == 1 else None

    monkeypatch.setattr(completion, "_find_damage", mend_and_look)
    assert completion.is_done("train-000001", AUDIO, layout, digest)
    assert receipt.exists()

    def remove_and_look(*arguments: object) -> str | None:
        found = find_damage(*arguments)  # type: ignore[arg-type]
        receipt.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(completion, "_find_damage", remove_and_look)
    assert not completion.is_done("train-000001", AUDIO, layout, digest)


def test_a_damaged_receipt_is_not_left_out_of_the_summary(damaged: Path) -> None:
    on_disk(Layout(damaged).receipt("train-000001")).write_bytes(b"damaged")
    with pytest.raises(ShardError):
        collect_receipts(Layout(damaged), [AUDIO], plan_shards({"train": 10, "valid": 2}, 3))
