"""The death of an encoder, a driver, a machine or a head loses time and changes no byte."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.executors.local import PoolExecutor
from rmod_pipeline.pipeline.executors.ray import RayExecutor
from rmod_pipeline.pipeline.executors.ray.executor import _RayRun
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from tests.pipeline.on_ray.cluster_build import LARGER, ActAtPairs, connect_with, larger_command, ray_processes
from tests.tiny_build import (
    PATIENCE_SECONDS,
    SHORT_LIVED_ENCODER,
    list_drafts,
    make_job,
    on_disk,
    reproducible_files,
    start_rmod,
    wait_until,
    write_sitecustomize,
)
from tests.tiny_codec import with_tokens

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.mark.long
def test_the_death_of_an_encoder_changes_no_byte(
    cluster: Cluster, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill_encoders() -> None:
        killed.extend(ray_processes("ray::EncoderActor"))
        for process in killed:
            os.kill(process, signal.SIGKILL)

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    summary = run_build(job, RayExecutor(cluster.address), ActAtPairs(kill_encoders))
    assert killed
    assert not summary.failures
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_tokens)


@pytest.mark.long
def test_an_encoder_that_fails_is_restarted(
    cluster: Cluster, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, disconnect: None
) -> None:
    """The number of restarts is limited over one batch, not over a run."""
    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    path = write_sitecustomize(tmp_path / "short-lived", SHORT_LIVED_ENCODER)
    connect_with(cluster, PYTHONPATH=path, ENCODER_BATCHES="0")
    failure = run_build(job, RayExecutor(), BuildProgress()).failures[-1]
    assert failure.fatal
    assert "encoder: lost 4 times over one batch" in failure.cause
    ray.shutdown()
    connect_with(cluster, PYTHONPATH=path, ENCODER_BATCHES="3")
    assert not run_build(job, RayExecutor(), BuildProgress()).failures
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_tokens)


def has_more_receipts(layout: Layout, count: int) -> bool:
    return len(layout.receipts()) > count


@pytest.mark.long
def test_a_killed_or_stopped_driver_resumes_beside_another_run(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path
) -> None:
    """It is killed, then stopped as by Ctrl-C, then started again together with a build without Ray."""
    out = tmp_path / "out"
    command = larger_command(tiny_manifest, tmp_path, "--address", cluster.address)
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        receipts = len(Layout(out).receipts())
        run = start_rmod(command)
        assert wait_until(partial(has_more_receipts, Layout(out), receipts))
        run.send_signal(number)
        _, err = run.communicate(timeout=PATIENCE_SECONDS)
        assert run.returncode == code, err
    assert "Stopped. What is finished is kept" in err
    assert wait_until(lambda: not ray_processes("ray::rmod")), "workers outlive their driver"
    assert len(Layout(out).receipts()) < 24, "nothing is left to resume"
    runs = [start_rmod(command), start_rmod(larger_command(tiny_manifest, tmp_path))]
    outputs = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert reproducible_files(out) == reproducible_files(larger)
    assert not list_drafts(out)
    shards = [event["shard"] for event in read_events(out / "log") if event["event"] == "shard"]
    assert len(shards) == len(set(shards)), "a shard was made twice"


def test_the_death_of_a_machine_changes_no_byte(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver never submits more than two shards per core."""
    running: list[int] = []
    submit = _RayRun._submit

    def submit_and_count(run: _RayRun, plan: Any) -> None:
        submit(run, plan)
        running.append(len(run.running))

    monkeypatch.setattr(_RayRun, "_submit", submit_and_count)
    victim = next(node for node in cluster.worker_nodes)
    progress = ActAtPairs(lambda: cluster.remove_node(victim, allow_graceful=False), after=15)
    job = make_job(tiny_manifest, tmp_path / "out", **LARGER)
    try:
        summary = run_build(job, RayExecutor(cluster.address), progress)
    finally:
        if progress.acted:
            cluster.add_node(num_cpus=1)
    assert progress.acted
    assert not summary.failures
    assert progress.made == 120, "pairs that were lost with the machine are counted twice"
    assert reproducible_files(on_disk(job.out)) == reproducible_files(larger)
    assert max(running) == 6


@pytest.mark.long
def test_a_build_resumes_after_the_death_of_its_head(
    tiny_manifest: Path, larger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray ends a driver that has not heard from its head for a while, and says so; finished shards are kept."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "8")
    out = tmp_path / "out"
    other = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other.add_node(num_cpus=1)
        run = start_rmod(larger_command(tiny_manifest, tmp_path, "--address", other.address))
        assert wait_until(lambda: Layout(out).receipts())
        other.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        _, err = run.communicate(timeout=PATIENCE_SECONDS)
        assert run.returncode not in (0, None)
        assert "is gone" in err
        assert "GCS" in err
    finally:
        other.shutdown()
    assert run_build(make_job(tiny_manifest, out, **LARGER), PoolExecutor(1), BuildProgress()).failures == []
    assert reproducible_files(out) == reproducible_files(larger)
