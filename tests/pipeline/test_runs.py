"""A run makes a range of shards, retries failed ones, restarts what hangs or dies, and reports its status."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from rmod_pipeline.errors import BuildError, LibraryError, UsageError
from rmod_pipeline.inspection.status import list_failed_shards, read_status
from rmod_pipeline.pipeline import scheduler
from rmod_pipeline.pipeline.event_log import RUNS, append_event, read_events
from rmod_pipeline.pipeline.executors import Executor, OnPairs, local, nodes
from rmod_pipeline.pipeline.executors.encoder_processes import EncoderProcesses
from rmod_pipeline.pipeline.executors.local import PoolExecutor, local_executor
from rmod_pipeline.pipeline.executors.processes import WorkerSlots
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.jobs.context import WorkerContext
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.plan import MOST_PAIRS, choose_shards, parse_counts
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult, describe_failure
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from tests.tiny_build import (
    HANG_ONCE,
    RECIPE,
    SHORT_LIVED_ENCODER,
    make_job,
    make_library,
    on_disk,
    reproducible_files,
    write_sitecustomize,
)

Rmod = Callable[..., Any]


def arguments(manifest: Path, folder: Path) -> list[object]:
    """Return the arguments of a build of 10 + 2 pairs in shards of 3."""
    (folder / "tiny.yaml").write_text(RECIPE)
    command = ["build", folder / "tiny.yaml", "--library", manifest, "--out", folder / "out"]
    return [*command, "--pairs", "train=10,valid=2", "--shard-size", 3]


def test_ranges_of_shards_make_the_whole(tiny_manifest: Path, tiny_built: Path, tmp_path: Path, rmod: Rmod) -> None:
    build, out = arguments(tiny_manifest, tmp_path), tmp_path / "out"
    result = rmod(*build, "--shards", "1:3")
    assert result.code == 0
    assert "That was 2 of the shards" in result.out
    assert [path.stem for path in Layout(out).receipts()] == ["train-000001", "train-000002"]
    assert "train-000000" in rmod("verify", out).out, "missing shards are named"
    assert rmod(*build, "--shards", ":1").code == rmod(*build, "--shards", "3:99").code == 0
    assert reproducible_files(out) == reproducible_files(tiny_built)


@pytest.mark.parametrize("text", ["", ":", "a:b", "3", "5:5", "5:", "-1:2", "1:2:3", "٣:٤"])
def test_an_invalid_range_is_refused(text: str) -> None:
    plans = plan_shards({"train": 10, "valid": 2}, 3)
    with pytest.raises(UsageError, match="--shards"):
        choose_shards(plans, text)


def test_failed_shards_are_listed_and_retried_alone(tmp_path: Path, rmod: Rmod, tiny_built: Path) -> None:
    manifest = make_library(tmp_path / "library")
    build, out = arguments(manifest, tmp_path), tmp_path / "out"
    sound = tmp_path / "library" / "kick" / "valid-0.wav"
    whole = sound.read_bytes()
    sound.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    result = rmod(*build)
    assert result.code == 1
    assert "valid-000000 at valid-0000000" in result.err
    (failed,) = list_failed_shards(read_events(Layout(out).log))
    assert failed.shard == "valid-000000"
    assert "valid-0.wav" in failed.cause
    assert failed.key.startswith("valid-0000000")
    status = rmod("status", out, "--json")
    assert status.code == 1
    assert [failed["shard"] for failed in json.loads(status.out)["failed"]] == ["valid-000000"]
    assert "--retry-failed" in rmod("status", out).out
    (out / "receipts" / "audio" / "train-000001.json").unlink()
    sound.write_bytes(whole)
    assert rmod(*build, "--retry-failed").code == 0
    assert Layout(out).receipt("valid-000000").exists()
    assert not Layout(out).receipt("train-000001").exists(), "it had not failed"
    assert rmod("status", out).code == 0
    assert "Nothing to try again" in rmod(*build, "--retry-failed").out
    assert rmod(*build).code == 0
    assert reproducible_files(out) == reproducible_files(tiny_built)


@dataclass
class ScriptedExecutor(Executor):
    """Yields the results of a script."""

    is_remote: ClassVar[bool] = False
    script: Callable[[], Iterator[ShardResult]]

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        yield from self.script()


UNREADABLE = ShardFailure(shard="train-000000", cause="cannot be read", retryable=True)


def test_a_postponed_shard_has_failed_if_the_run_ends_before_its_retry(tiny_manifest: Path, tmp_path: Path) -> None:
    def full() -> Iterator[ShardResult]:
        yield UNREADABLE
        yield ShardFailure(shard="train-000001", cause="the disk is full", fatal=True)

    summary = run_build(make_job(tiny_manifest, tmp_path / "full"), ScriptedExecutor(full), BuildProgress())
    assert {failure.shard for failure in summary.failures} == {"train-000000", "train-000001"}

    def stopped() -> Iterator[ShardResult]:
        yield UNREADABLE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(make_job(tiny_manifest, tmp_path / "stopped"), ScriptedExecutor(stopped), BuildProgress())
    (failed,) = list_failed_shards(read_events(tmp_path / "stopped" / "log"))
    assert (failed.shard, failed.cause) == ("train-000000", "cannot be read")


def test_a_shard_that_another_run_makes_is_no_failure(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    receipt = Layout(out).receipt("train-000000")
    content = receipt.read_bytes()
    receipt.unlink()

    def other_run() -> Iterator[ShardResult]:
        yield ShardFailure(shard="train-000000", cause="its worker died 3 times")
        receipt.write_bytes(content)

    assert not run_build(make_job(tiny_manifest, out), ScriptedExecutor(other_run), BuildProgress()).failures


def test_an_error_while_a_worker_starts_becomes_the_failure_of_its_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_encode: object) -> None:
        raise LibraryError("library", "holds no kick", "add one")

    monkeypatch.setattr(local, "begin_child", lambda _level: None)
    monkeypatch.setattr(local, "_worker", [])
    job, progress = SimpleNamespace(open=fail), SimpleNamespace()
    local._start_worker(job, progress, None, WorkerSlots(1), 0)  # type: ignore[arg-type]
    result = local._make_shard(0, ShardPlan(split="train", number=0, first=0, count=1))
    assert isinstance(result, ShardFailure)
    assert "holds no kick" in result.cause


def test_the_cache_of_prepared_sounds_is_where_the_worker_or_the_job_says(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny_manifest, tmp_path / "out", cache=None)
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "of-the-worker"))
    assert WorkerContext(job).sounds.prepared.folder == tmp_path / "of-the-worker" / "prepared"
    job = make_job(tiny_manifest, tmp_path / "out", cache=tmp_path / "of-the-job")
    assert WorkerContext(job).sounds.prepared.folder == tmp_path / "of-the-job"


@dataclass
class _DeadProcess:
    """An encoder process that has died."""

    exitcode: int

    def is_alive(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("exitcode", "end"), [(-9, r"was killed by signal 9 \(Killed\)"), (1, r"died \(exit code 1\)")]
)
def test_an_encoder_is_restarted_as_long_as_it_encodes_batches(
    exitcode: int, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EncoderProcesses, "_start", lambda *_: _DeadProcess(exitcode))
    encoders = EncoderProcesses(None, ["cuda:0"])  # type: ignore[arg-type]
    encoders._processes = [_DeadProcess(exitcode)]  # type: ignore[list-item]
    for batches in range(20):
        encoders._clocks[0] = batches
        encoders.restart_dead()
    with pytest.raises(BuildError, match=rf"on cuda:0 {end}, 4 times in a row, without a"):
        for _ in range(4):
            encoders.restart_dead()


@pytest.mark.long
def test_an_encoder_that_fails_is_restarted(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    monkeypatch.setenv("PYTHONPATH", write_sitecustomize(tmp_path / "short-lived", SHORT_LIVED_ENCODER))
    monkeypatch.setenv("ENCODER_BATCHES", "0")
    # How it ends is left open: a tool that traces the process may end it by a signal.
    with pytest.raises(BuildError, match=r"encoder .*, 4 times in a row, without a"):
        run_build(job, PoolExecutor(2), BuildProgress())
    monkeypatch.setenv("ENCODER_BATCHES", "3")
    assert not run_build(job, PoolExecutor(2), BuildProgress()).failures
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_tokens)


@pytest.fixture
def hang_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new worker processes hang at the fifth pair, once."""
    monkeypatch.setenv("PYTHONPATH", write_sitecustomize(tmp_path / "hang", HANG_ONCE))
    monkeypatch.setenv("HANG_ONCE", str(tmp_path / "hung"))


@pytest.mark.long
def test_a_shard_that_hangs_is_killed_and_retried(
    tiny_manifest: Path, tiny_built: Path, tmp_path: Path, hang_once: None
) -> None:
    # Long enough for a process to import everything on a busy machine.
    summary = run_build(make_job(tiny_manifest, tmp_path / "out"), PoolExecutor(2, None, 15), BuildProgress())
    assert (tmp_path / "hung").exists()
    assert not summary.failures
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)
    (again,) = (event for event in read_events(tmp_path / "out" / "log") if event["event"] == "again")
    assert again["shard"] == "train-000001"
    assert "took longer than 0.25 minutes" in again["cause"]


def test_status_lists_finished_running_and_failed_shards(tiny_built: Path, tmp_path: Path, rmod: Rmod) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    layout = Layout(out)
    status = read_status(out)
    assert status.done
    assert (status.shards, status.pairs, status.running, status.failed) == (5, 12, [], [])
    assert status.pairs_per_second
    assert status.seconds_left is None, "no run is active"
    assert "Done." in rmod("status", out).out
    layout.receipt("train-000002").unlink()
    assert "No run is active" in rmod("status", out).out
    assert FileLease(on_disk(layout.leases), "train-000002").acquire()
    status = read_status(out)
    assert (status.running, status.families[0].pairs) == (["train-000002"], 9)
    assert "running: 1 shards, train-000002" in rmod("status", out).out


def test_damaged_lines_of_the_log_are_skipped(tmp_path: Path) -> None:
    """Two machines may write to the log at the same time."""
    append_event(tmp_path, "failure", shard="a", cause="x")
    with (tmp_path / RUNS).open("ab") as file:
        file.write(b'{"time": "2026", "ev{"time": 7}\n\xff\n[]\n')
    append_event(tmp_path, "failure", shard="b", cause="y")
    append_event(tmp_path, "shard", shard="a", pairs=3)
    assert [failed.shard for failed in list_failed_shards(read_events(tmp_path))] == ["b"]


def test_the_rate_is_that_of_the_current_run(tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    log = Layout(out).log
    (log / RUNS).unlink()
    now = time.time()
    for seconds_ago, event in ((100_000, "begin"), (90_000, "shard"), (100, "begin"), (50, "shard"), (0, "shard")):
        append_event(log, event, shard="train-000000", pairs=30)
        lines = on_disk(log / RUNS).read_text().splitlines()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - seconds_ago))
        lines[-1] = json.dumps({**json.loads(lines[-1]), "time": moment})
        on_disk(log / RUNS).write_text("\n".join(lines) + "\n")
    assert read_status(out).pairs_per_second == pytest.approx(0.6)


def test_the_log_has_the_wait_times_of_workers_and_encoders(tiny_tokens: Path) -> None:
    (end,) = (event for event in read_events(Layout(tiny_tokens).log) if event["event"] == "end")
    waits = end["waits"]
    assert 0 < waits["encoders"] >= waits["for_workers"]
    assert 0 < waits["workers"] >= waits["for_encoders"]


def test_several_workers_report_wait_times(tiny_manifest: Path, tiny_weights: Path, tmp_path: Path) -> None:
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out", counts={"train": 4}), tiny_weights)
    waits = run_build(job, PoolExecutor(2), BuildProgress()).waits
    assert waits.encoders > waits.for_workers > 0
    assert waits.workers > waits.for_encoders > 0


def test_the_differences_of_a_machine_are_listed() -> None:
    here = nodes.node_facts(["numpy", "scipy"], [__file__])
    assert nodes.describe_differences(here, here) is None
    other: nodes.NodeFacts = {
        "python": here["python"],
        "code": "0" * 64,
        "packages": {"numpy": "1.0", "scipy": nodes.MISSING},
        "files": {__file__: nodes.MISSING},
    }
    differences = nodes.describe_differences(other, here)
    assert differences is not None
    assert f"numpy is 1.0, not {here['packages']['numpy']}" in differences
    assert "scipy is missing" in differences
    assert "rmod's code differs" in differences
    assert f"cannot read {__file__}" in differences


def test_a_time_limit_needs_a_worker_process_that_can_be_killed() -> None:
    assert isinstance(local_executor(1, None, 60.0), PoolExecutor)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--executor", "cloud"], "unknown 'cloud'"),
        (["--executor", "local", "--address", "auto"], "is for a Ray cluster"),
        (["--shard-minutes", "0"], "too small"),
        (["--workers", "0"], "too small"),
        (["--shards", "9:"], "contains no shard"),
    ],
)
def test_invalid_options_are_named(
    options: list[str], message: str, tiny_manifest: Path, tmp_path: Path, rmod: Rmod
) -> None:
    result = rmod(*arguments(tiny_manifest, tmp_path), *options)
    assert result.code == 2
    assert message in result.err
    assert not (tmp_path / "out").exists()


def test_a_store_that_cannot_be_read_finishes_no_failed_shard() -> None:
    def fail(_: object) -> list[ShardPlan]:
        raise OSError(5, "Input/output error")

    failed = plan_shards({"train": 3}, 3)
    job: Any = SimpleNamespace(missing_shards=fail)
    assert scheduler._still_missing(failed, job) == failed
    assert scheduler._still_missing([], job) == []


def test_a_shard_that_another_run_has_made_is_not_tried_again() -> None:
    plans = plan_shards({"train": 6}, 3)
    job: Any = SimpleNamespace(missing_shards=lambda plans: [])
    run: Any = SimpleNamespace(job=job, progress=BuildProgress(), failures={}, postponed={plans[0].name: "a hiccup"})
    executor: Any = SimpleNamespace(run=lambda *_: iter(()))
    scheduler._run_until_done(plans, run, executor)
    assert not run.postponed


def test_a_fault_of_a_file_is_tried_again_and_a_fault_of_the_code_is_not() -> None:
    assert describe_failure("a", ConnectionResetError(104, "reset")).retryable
    assert not describe_failure("a", ZeroDivisionError("division by zero")).retryable


def test_more_pairs_than_a_key_has_digits_for_are_refused() -> None:
    assert parse_counts(f"train={MOST_PAIRS}") == {"train": MOST_PAIRS}
    with pytest.raises(UsageError, match=f"more than {MOST_PAIRS:,} pairs"):
        parse_counts(f"train={MOST_PAIRS + 1}")
