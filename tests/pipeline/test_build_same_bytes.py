"""Equal inputs give equal bytes, with any number of workers, after any interruption, on any path."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.pipeline.executors.local import PoolExecutor, local_executor
from rmod_pipeline.pipeline.results import ShardFailure
from rmod_pipeline.pipeline.run import BuildSummary, run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.pairs import list_keys, read_pair
from rmod_pipeline.shards.layout import Layout, plan_shards
from tests.tiny_build import (
    PATIENCE_SECONDS,
    child_processes,
    command_line,
    have_ended,
    list_drafts,
    make_job,
    make_library,
    reproducible_files,
    start_rmod,
    wait_until,
    write_sitecustomize,
)


def build(
    manifest: Path, out: Path, workers: int = 1, progress: BuildProgress | None = None, **changes: object
) -> BuildSummary:
    """Build the small data set, with changed fields of the job."""
    return run_build(make_job(manifest, out, **changes), local_executor(workers), progress or BuildProgress())


def test_two_workers_make_the_bytes_of_one_worker(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    summary = build(tiny_manifest, tmp_path, workers=2)
    assert reproducible_files(tmp_path) == reproducible_files(tiny_built)
    assert (summary.made, summary.pairs) == (12, {"train": 10, "valid": 2})


def test_a_second_run_makes_nothing_and_changes_nothing(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_built, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.*") if "log" not in path.parts}
    summary = build(tiny_manifest, tmp_path / "out")
    assert summary.made == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_library_on_another_path_gives_the_same_bytes(tiny_built: Path, tmp_path: Path) -> None:
    build(make_library(tmp_path / "moved"), tmp_path / "out")
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)


def test_seed_zero_differs_from_seed_one(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    build(tiny_manifest, tmp_path, seed=1, counts={"train": 3})
    one, zero = read_pair(tmp_path, "train-00000000"), read_pair(tiny_built, "train-00000000")
    assert one.members["mix.wav"] != zero.members["mix.wav"]


@pytest.mark.parametrize("shard_size", [3, 7])
def test_the_shard_size_changes_no_pair(tiny_manifest: Path, tiny_built: Path, tmp_path: Path, shard_size: int) -> None:
    build(tiny_manifest, tmp_path, shard_size=shard_size)
    assert list_keys(tmp_path) == list_keys(tiny_built)
    assert [read_pair(tmp_path, key) for key in list_keys(tmp_path)] == [
        read_pair(tiny_built, key) for key in list_keys(tiny_built)
    ]


def test_a_larger_build_starts_with_the_smaller(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    build(tiny_manifest, tmp_path, counts={"train": 4}, shard_size=4)
    assert [read_pair(tmp_path, key) for key in list_keys(tmp_path)] == [
        read_pair(tiny_built, f"train-{index:08d}") for index in range(4)
    ]


def test_stems_change_no_other_file(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    build(tiny_manifest, tmp_path, stems=True)
    for key in list_keys(tmp_path):
        members = read_pair(tmp_path, key).members
        assert {name: data for name, data in members.items() if not name.startswith("stem-")} == read_pair(
            tiny_built, key
        ).members


def test_flac_has_the_samples_of_wav(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    build(tiny_manifest, tmp_path, audio_format="flac", counts={"train": 3})
    for key in list_keys(tmp_path):
        flac, wav = read_pair(tmp_path, key).members, read_pair(tiny_built, key).members
        assert [name.replace("flac", "wav") for name in flac] == list(wav)
        for name in flac:
            if name.endswith("flac"):
                samples = [
                    soundfile.read(io.BytesIO(data), dtype="int16")[0] for data in (flac[name], wav[name[:-4] + "wav"])
                ]
                assert np.array_equal(*samples)
        assert flac["json"] == wav["json"]


def test_a_missing_or_cut_file_is_made_again(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(tiny_built, out)
    (out / "audio" / "train-000001.tar").unlink()
    os.truncate(out / "index" / "valid-000000.parquet", 100)
    (out / "receipts" / "audio" / "train-000002.json").write_text("")
    assert build(tiny_manifest, out).made == 3 + 2 + 3
    assert reproducible_files(out) == reproducible_files(tiny_built)


def test_two_simultaneous_runs_share_the_shards(
    tiny_manifest: Path, tiny_built: Path, recipe: Path, tmp_path: Path
) -> None:
    """No shard is made twice, and both runs end when all shards are done."""
    arguments = ["build", recipe, "--library", tiny_manifest, "--out", tmp_path / "out", "--pairs"]
    arguments += ["train=10,valid=2", "--shard-size", 3]
    runs = [start_rmod(arguments) for _ in range(2)]
    outputs = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)
    log = (tmp_path / "out" / "log" / "runs.jsonl").read_text()
    assert log.count('"event": "shard"') == 5


class KillWorker(BuildProgress):
    """Kill one worker when a number of pairs is made."""

    def __init__(self, after: int) -> None:
        self.after, self.made, self.killed = after, 0, 0

    def advance(self, pairs: int) -> None:
        self.made += pairs
        if self.made >= self.after and not self.killed:
            workers = [child for child in child_processes(os.getpid()) if "spawn_main" in command_line(child)]
            self.killed = workers[0]
            os.kill(self.killed, signal.SIGKILL)


def test_the_death_of_a_worker_changes_no_byte(tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    progress = KillWorker(after=1)
    summary = build(tiny_manifest, tmp_path, workers=2, progress=progress)
    assert progress.killed
    assert not summary.failures
    assert progress.made == 12, "pairs that were lost with the worker are counted twice"
    assert reproducible_files(tmp_path) == reproducible_files(tiny_built)
    assert not list_drafts(tmp_path) or build(tiny_manifest, tmp_path).made == 0
    assert not list_drafts(tmp_path), "the next run sweeps the drafts of the dead worker"


@pytest.mark.long
def test_a_shard_that_always_kills_its_worker_fails_alone(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", write_sitecustomize(tmp_path / "deadly", DEADLY))
    manifest = make_library(tmp_path / "library")
    reported: list[ShardFailure] = []

    class CollectFailures(BuildProgress):
        def fail(self, failure: ShardFailure) -> None:
            reported.append(failure)

    summary = build(manifest, tmp_path / "out", workers=2, progress=CollectFailures())
    assert [failure.shard for failure in reported] == ["train-000001"]
    assert reported == summary.failures
    assert "died 3 times" in reported[0].cause
    layout = Layout(tmp_path / "out")
    assert [path.stem for path in layout.receipts()] == ["train-000000", "train-000002", "train-000003", "valid-000000"]
    monkeypatch.undo()
    assert not build(manifest, tmp_path / "out").failures
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)


DEADLY = """
import multiprocessing, os, sys
if "--multiprocessing-fork" in sys.argv:
    import rmod_pipeline.shards.writer as writer
    add = writer.ShardWriter.add
    def deadly(self, pair):
        if pair.spec.key == "train-00000004":
            os._exit(9)
        return add(self, pair)
    writer.ShardWriter.add = deadly
"""
"""A `sitecustomize` that kills every worker process at the fifth pair."""


def test_after_a_death_only_running_shards_are_started_alone(tiny_manifest: Path, tmp_path: Path) -> None:
    """The other shards continue with all workers."""
    rounds: list[tuple[int, int]] = []

    class FirstRoundBreaks(PoolExecutor):
        def _run_round(self, plans: Any, job: Any, on_pairs: Any, slots: Any, encoders: Any) -> Iterator[Any]:
            rounds.append((len(plans), slots.count))
            if len(rounds) == 1:
                yield plans[0], None  # a worker died while it made this shard
                return
            yield from ((plan, ShardFailure(shard=plan.name, cause="not made")) for plan in plans)

    job = make_job(tiny_manifest, tmp_path)
    list(FirstRoundBreaks(4).run(plan_shards(job.counts, job.shard_size), job, lambda _: None))
    assert rounds == [(5, 4), (1, 1), (4, 4)]


@pytest.fixture
def command(tiny_manifest: Path, recipe: Path, tmp_path: Path) -> list[object]:
    """The command of a build that takes some seconds with two workers."""
    out = tmp_path / "out"
    arguments = ["build", recipe, "--library", tiny_manifest, "--out", out, "--pairs", "train=600"]
    return [*arguments, "--shard-size", 20, "--workers", 2]


@pytest.fixture
def whole(tiny_manifest: Path, tmp_path: Path) -> dict[str, bytes]:
    """The reproducible files of the build of ``command``."""
    build(tiny_manifest, tmp_path / "whole", counts={"train": 600}, shard_size=20)
    return reproducible_files(tmp_path / "whole")


def is_making_shard(out: Path) -> bool:
    """Return whether a shard is being made."""
    return any(".tar." in name for name in list_drafts(out))


def is_working_or_over(out: Path, run: subprocess.Popen[str]) -> bool:
    """Return whether a build is making a shard, or has ended."""
    return is_making_shard(out) or run.poll() is not None


@pytest.mark.long
def test_a_build_killed_at_any_moment_resumes_to_the_same_bytes(
    command: list[object], whole: dict[str, bytes], tmp_path: Path
) -> None:
    moments = random.Random(7)
    done = 0
    for _ in range(5):
        run = start_rmod(command)
        wait_until(partial(is_working_or_over, tmp_path / "out", run))
        time.sleep(moments.random() * 1.5)
        workers = child_processes(run.pid)
        run.send_signal(signal.SIGKILL)
        run.communicate(timeout=PATIENCE_SECONDS)
        assert wait_until(partial(have_ended, workers)), "workers outlive their driver"
        receipts = len(Layout(tmp_path / "out").receipts())
        assert receipts >= done, "a finished shard is gone"
        done = receipts
    run = start_rmod(command)
    output = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 0, output
    assert reproducible_files(tmp_path / "out") == whole
    assert not list_drafts(tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signal_number", "to_all"),
    [(signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["Ctrl-C, to all processes", "kill, to the driver"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_build_says_so_and_can_resume(
    command: list[object], tmp_path: Path, signal_number: int, to_all: bool, workers: int
) -> None:
    run = start_rmod([*command[:-1], workers])
    assert wait_until(lambda: is_making_shard(tmp_path / "out"))
    started = child_processes(run.pid)
    if to_all:
        os.killpg(run.pid, signal_number)
    else:
        run.send_signal(signal_number)
    _, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 130, err
    kept = "What is finished is kept; a build, an encoding or a training resumes when its command is given again."
    assert err.strip() == f"Stopped. {kept}"
    assert not list_drafts(tmp_path / "out") or signal_number == signal.SIGTERM
    assert wait_until(partial(have_ended, started))


@pytest.mark.slow
def test_a_build_stopped_during_start_prints_no_traceback(command: list[object], tmp_path: Path) -> None:
    run = start_rmod(command)
    assert wait_until(lambda: any("spawn_main" in command_line(child) for child in child_processes(run.pid)))
    os.killpg(run.pid, signal.SIGINT)
    _, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 130, err
    assert "Traceback" not in err


def test_an_interrupt_that_c_code_swallows_is_not_lost(tiny_manifest: Path, tmp_path: Path) -> None:
    """It takes effect between two pairs, and leaves neither a partial shard nor a lease."""

    class InterruptOnce(BuildProgress):
        def __init__(self) -> None:
            self.made = 0

        def advance(self, pairs: int) -> None:
            self.made += pairs
            if self.made == 4:
                with contextlib.suppress(KeyboardInterrupt):  # as an import may do
                    os.kill(os.getpid(), signal.SIGINT)

    progress, before = InterruptOnce(), signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        build(tiny_manifest, tmp_path, progress=progress)
    assert progress.made == 4
    assert [path.stem for path in Layout(tmp_path).receipts()] == ["train-000000"]
    assert not list_drafts(tmp_path)
    assert not list((tmp_path / "log" / "claims").iterdir())
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_the_quick_recipe_with_the_built_in_kit_is_reproducible(tmp_path: Path, rmod: Callable[..., Any]) -> None:
    command = ["build", "quick", "--library", "builtin", "--pairs", "train=4,test=2", "--shard-size", 2]
    assert rmod(*command, "--out", tmp_path / "one").code == 0
    assert rmod(*command, "--out", tmp_path / "two", "--workers", 2).code == 0
    assert reproducible_files(tmp_path / "one") == reproducible_files(tmp_path / "two")
    result = rmod("verify", tmp_path / "two", "--rerender", 6)
    assert result.code == 0, result
    assert "6 pairs rendered again: 6 the same bit by bit" in result.out
