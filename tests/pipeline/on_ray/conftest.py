"""Fixtures for tests on a Ray cluster: the cluster, and a larger data set to compare with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Without RAY_AUTH_MODE, Ray leaves a token in the home folder, and other clusters ask for it. Its workers run at a low
# priority, and these tests already take longer than any others.
os.environ.update({"RAY_AUTH_MODE": "disabled", "RAY_metrics_report_interval_ms": "1000", "RAY_worker_niceness": "0"})

import ray
from ray.cluster_utils import Cluster

from rmod_pipeline.pipeline.executors.local import PoolExecutor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from tests.pipeline.on_ray.cluster_build import LARGER
from tests.tiny_build import make_job


@pytest.fixture(scope="package")
def cluster(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of three nodes with one core each; jobs are submitted to the first. Tests must leave it so."""
    lock = tmp_path_factory.getbasetemp().parent / "cluster.lock"
    if "PYTEST_XDIST_WORKER" in os.environ:
        lock.touch(exist_ok=False)  # two clusters at once mean that pytest-xdist ignores groups
    # Any free ports: without its agent's fixed port, which another Ray may hold, a head takes no jobs.
    ports = {"dashboard_port": 0, "dashboard_agent_listen_port": None}
    head = {"num_cpus": 1, "include_dashboard": True, **ports}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, wait=False)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
    lock.unlink(missing_ok=True)


@pytest.fixture
def disconnect() -> Iterator[None]:
    """Disconnect this process from the cluster after the test."""
    yield
    ray.shutdown()


@pytest.fixture(scope="package")
def larger(tmp_path_factory: pytest.TempPathFactory, tiny_manifest: Path) -> Path:
    """A data set of 120 pairs in shards of 5, made by one process."""
    out = tmp_path_factory.mktemp("larger") / "out"
    run_build(make_job(tiny_manifest, out, **LARGER), PoolExecutor(1), BuildProgress())
    return out
