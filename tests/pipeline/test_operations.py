"""Running a build: parts of it, what failed, what hangs, how far it is; with either executor nothing else is made."""

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
from rmod_pipeline.pipeline.context import WorkerContext
from rmod_pipeline.pipeline.event_log import RUNS, append_event, read_events
from rmod_pipeline.pipeline.executors import local, nodes
from rmod_pipeline.pipeline.executors.encoder_processes import EncoderProcesses
from rmod_pipeline.pipeline.executors.local import PoolExecutor, local_executor
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.plan import choose_shards
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from tests.tiny_build import HANGS, RECIPE, SHORT_LIVED, customised, make_job, make_library, promised

Rmod = Callable[..., Any]


def arguments(manifest: Path, folder: Path) -> list[object]:
    """A build of 10 + 2 pairs in shards of 3."""
    (folder / "tiny.yaml").write_text(RECIPE)
    command = ["build", folder / "tiny.yaml", "--library", manifest, "--out", folder / "out"]
    return [*command, "--pairs", "train=10,valid=2", "--shard-size", 3]


def test_ranges_of_shards_make_the_whole(tiny_manifest: Path, tiny_built: Path, tmp_path: Path, rmod: Rmod) -> None:
    build, out = arguments(tiny_manifest, tmp_path), tmp_path / "out"
    said = rmod(*build, "--shards", "1:3")
    assert said.code == 0
    assert "That was 2 of the shards" in said.out
    assert [path.stem for path in Layout(out).receipts()] == ["train-000001", "train-000002"]
    assert "train-000000" in rmod("verify", out).out, "what is missing is told"
    assert rmod(*build, "--shards", ":1").code == rmod(*build, "--shards", "3:99").code == 0
    assert promised(out) == promised(tiny_built)


@pytest.mark.parametrize("text", ["", ":", "a:b", "3", "5:5", "5:", "-1:2", "1:2:3", "٣:٤"])
def test_a_range_that_is_none_is_named(text: str) -> None:
    plans = plan_shards({"train": 10, "valid": 2}, 3)
    with pytest.raises(UsageError, match="--shards"):
        choose_shards(plans, text)


def test_what_failed_is_listed_and_tried_again_alone(tmp_path: Path, rmod: Rmod, tiny_built: Path) -> None:
    manifest = make_library(tmp_path / "library")
    build, out = arguments(manifest, tmp_path), tmp_path / "out"
    sound = tmp_path / "library" / "kick" / "valid-0.wav"
    whole = sound.read_bytes()
    sound.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    poisoned_only = rmod(*build)
    assert poisoned_only.code == 1
    assert "valid-000000 at valid-0000000" in poisoned_only.err
    (failed,) = list_failed_shards(read_events(Layout(out).log))
    assert failed.shard == "valid-000000"
    assert "valid-0.wav" in failed.cause
    assert failed.key.startswith("valid-0000000")
    status = rmod("status", out, "--json")
    assert status.code == 1
    assert [each["shard"] for each in json.loads(status.out)["failed"]] == ["valid-000000"]
    assert "--retry-failed" in rmod("status", out).out
    (out / "receipts" / "audio" / "train-000001.json").unlink()
    sound.write_bytes(whole)
    assert rmod(*build, "--retry-failed").code == 0
    assert Layout(out).receipt("valid-000000").exists()
    assert not Layout(out).receipt("train-000001").exists(), "it had not failed"
    assert rmod("status", out).code == 0
    assert "Nothing to try again" in rmod(*build, "--retry-failed").out
    assert rmod(*build).code == 0
    assert promised(out) == promised(tiny_built)


@dataclass
class Scripted:
    """An executor that does what it is told to."""

    elsewhere: ClassVar[bool] = False
    script: Callable[[], Iterator[ShardResult]]

    def run(self, plans: Sequence[ShardPlan], work: object, on_pairs: object) -> Iterator[ShardResult]:  # noqa: ARG002
        yield from self.script()


UNREADABLE = ShardFailure(shard="train-000000", cause="cannot be read", again=True)


def test_what_was_to_be_tried_again_has_failed_if_the_run_ends_before(tiny_manifest: Path, tmp_path: Path) -> None:
    def full() -> Iterator[ShardResult]:
        yield UNREADABLE
        yield ShardFailure(shard="train-000001", cause="the disk is full", fatal=True)

    summary = run_build(make_job(tiny_manifest, tmp_path / "full"), Scripted(full), BuildProgress())
    assert {each.shard for each in summary.failures} == {"train-000000", "train-000001"}

    def stopped() -> Iterator[ShardResult]:
        yield UNREADABLE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_build(make_job(tiny_manifest, tmp_path / "stopped"), Scripted(stopped), BuildProgress())
    (failed,) = list_failed_shards(read_events(tmp_path / "stopped" / "log"))
    assert (failed.shard, failed.cause) == ("train-000000", "cannot be read")


def test_what_another_run_makes_after_all_is_no_failure(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    receipt = Layout(out).receipt("train-000000")
    content = receipt.read_bytes()
    receipt.unlink()

    def other_run() -> Iterator[ShardResult]:
        yield ShardFailure(shard="train-000000", cause="its worker died 3 times")
        receipt.write_bytes(content)

    assert not run_build(make_job(tiny_manifest, out), Scripted(other_run), BuildProgress()).failures


def test_what_a_worker_cannot_open_is_what_its_shards_fail_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_encode: object) -> None:
        raise LibraryError("library", "holds no kick", "add one")

    monkeypatch.setattr(local, "begin_child", lambda _level: None)
    monkeypatch.setattr(local, "_worker", [])
    local._begin(SimpleNamespace(open=fails), SimpleNamespace(), None, local.Slots(1), 0)  # type: ignore[arg-type]
    result = local._make(0, ShardPlan(split="train", number=0, first=0, count=1))
    assert isinstance(result, ShardFailure)
    assert "holds no kick" in result.cause


def test_what_a_machine_keeps_lies_where_that_machine_says(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny_manifest, tmp_path / "out", cache=None)
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "of-the-worker"))
    assert WorkerContext(job).sounds.pitch.folder == tmp_path / "of-the-worker" / "pitch"
    told = make_job(tiny_manifest, tmp_path / "out", cache=tmp_path / "told")
    assert WorkerContext(told).sounds.pitch.folder == tmp_path / "told"


class _Dies:
    """An encoder process that is gone."""

    exitcode = -9

    def is_alive(self) -> bool:
        return False


def test_an_encoder_is_started_again_as_long_as_it_gets_something_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EncoderProcesses, "_start", lambda *_: _Dies())
    encoders = EncoderProcesses(None, ["cuda:0"])  # type: ignore[arg-type]
    encoders._processes = [_Dies()]  # type: ignore[list-item]
    for batches in range(20):
        encoders._clocks[0] = batches
        encoders.look_after()
    with pytest.raises(BuildError, match=r"on cuda:0 was killed by signal 9 \(Killed\), 4 times in a row, without a"):
        for _ in range(4):
            encoders.look_after()


@pytest.mark.slow
def test_an_encoder_ends_of_what_it_cannot_answer_and_another_goes_on(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    monkeypatch.setenv("PYTHONPATH", customised(tmp_path / "sick", SHORT_LIVED))
    monkeypatch.setenv("BATCHES_LIVED", "0")
    with pytest.raises(BuildError, match=r"died \(exit code 1\), 4 times in a row"):
        run_build(job, PoolExecutor(2), BuildProgress())
    monkeypatch.setenv("BATCHES_LIVED", "3")
    assert not run_build(job, PoolExecutor(2), BuildProgress()).failures
    assert promised(job.out) == promised(tiny_tokens)


@pytest.fixture
def hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers started from here on hang at the fifth pair, but once only."""
    monkeypatch.setenv("PYTHONPATH", customised(tmp_path / "hangs", HANGS))
    monkeypatch.setenv("HANGS_ONCE", str(tmp_path / "hung"))


@pytest.mark.slow
def test_a_shard_that_hangs_is_killed_and_tried_again(
    tiny_manifest: Path, tiny_built: Path, tmp_path: Path, hangs: None
) -> None:
    # Long enough for a process to import all that it needs while others are busy.
    summary = run_build(make_job(tiny_manifest, tmp_path / "out"), PoolExecutor(2, None, 15), BuildProgress())
    assert (tmp_path / "hung").exists()
    assert not summary.failures
    assert promised(tmp_path / "out") == promised(tiny_built)
    (again,) = (each for each in read_events(tmp_path / "out" / "log") if each["event"] == "again")
    assert again["shard"] == "train-000001"
    assert "took longer than 0.25 minutes" in again["cause"]


def test_status_tells_what_is_done_running_and_failed(tiny_built: Path, tmp_path: Path, rmod: Rmod) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    layout = Layout(out)
    status = read_status(out)
    assert status.done
    assert (status.shards, status.pairs, status.running, status.failed) == (5, 12, [], [])
    assert status.pairs_per_second
    assert status.seconds_left is None, "nobody is at it"
    assert "Done." in rmod("status", out).out
    layout.receipt("train-000002").unlink()
    assert "Nobody is at it" in rmod("status", out).out
    assert FileLease(layout.leases, "train-000002").take()
    status = read_status(out)
    assert (status.running, status.families[0].pairs) == (["train-000002"], 9)
    assert "running: 1 shards, train-000002" in rmod("status", out).out


def test_a_log_that_two_machines_wrote_into_is_read_all_the_same(tmp_path: Path) -> None:
    append_event(tmp_path, "failure", shard="a", cause="x")
    with (tmp_path / RUNS).open("ab") as file:
        file.write(b'{"time": "2026", "ev{"time": 7}\n\xff\n[]\n')
    append_event(tmp_path, "failure", shard="b", cause="y")
    append_event(tmp_path, "shard", shard="a", pairs=3)
    assert [each.shard for each in list_failed_shards(read_events(tmp_path))] == ["b"]


def test_the_rate_is_that_of_the_present_run(tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    log = Layout(out).log
    (log / RUNS).unlink()
    now = time.time()
    for seconds_ago, event in ((100_000, "begin"), (90_000, "shard"), (100, "begin"), (50, "shard"), (0, "shard")):
        append_event(log, event, shard="train-000000", pairs=30)
        lines = (log / RUNS).read_text().splitlines()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(now - seconds_ago))
        lines[-1] = json.dumps({**json.loads(lines[-1]), "time": moment})
        (log / RUNS).write_text("\n".join(lines) + "\n")
    assert read_status(out).pairs_per_second == pytest.approx(0.6)


def test_a_build_of_tokens_says_who_waited_for_whom(tiny_tokens: Path) -> None:
    (end,) = (each for each in read_events(Layout(tiny_tokens).log) if each["event"] == "end")
    waits = end["waits"]
    assert 0 < waits["encoders"] >= waits["for_workers"]
    assert 0 < waits["workers"] >= waits["for_encoders"]


def test_several_workers_tell_their_waits_too(tiny_manifest: Path, tiny_weights: Path, tmp_path: Path) -> None:
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out", counts={"train": 4}), tiny_weights)
    waits = run_build(job, PoolExecutor(2), BuildProgress()).waits
    assert waits.encoders > waits.for_workers > 0
    assert waits.workers > waits.for_encoders > 0


def test_a_machine_that_differs_is_told_in_what() -> None:
    here = nodes.node_facts(["numpy", "scipy"], [str(Path(__file__))])
    assert nodes.node_complaints(here, here) == ""
    there = {**here, "numpy": "1.0", "scipy": nodes.MISSING, "rmod's code": "0" * 64, str(Path(__file__)): "missing"}
    said = nodes.node_complaints(there, here)
    assert f"numpy is 1.0, not {here['numpy']}" in said
    assert "scipy is missing" in said
    assert "rmod's code is another" in said
    assert f"cannot read {Path(__file__)}" in said


def test_with_a_time_limit_one_worker_is_a_process_that_can_be_killed() -> None:
    assert isinstance(local_executor(1, None, 60.0), PoolExecutor)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--executor", "cloud"], "unknown 'cloud'"),
        (["--executor", "local", "--address", "auto"], "is for a Ray cluster"),
        (["--shard-minutes", "0"], "too small"),
        (["--workers", "0"], "too small"),
        (["--shards", "9:"], "holds no shard"),
    ],
)
def test_options_that_do_not_fit_are_named(
    options: list[str], found: str, tiny_manifest: Path, tmp_path: Path, rmod: Rmod
) -> None:
    said = rmod(*arguments(tiny_manifest, tmp_path), *options)
    assert said.code == 2
    assert found in said.err
    assert not (tmp_path / "out").exists()
