"""A build on a Ray cluster gives the bytes of one process, on a disk and on an object store."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from rmod_pipeline.inspection.status import read_status
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.configure import add_features
from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.executors.local import PoolExecutor
from rmod_pipeline.pipeline.executors.ray import RayExecutor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.storage import parse_location
from tests.local_store import CREDENTIALS
from tests.pipeline.on_ray.cluster_build import ActAtPairs, connect_with
from tests.tiny_build import HANG_ONCE, make_job, make_library, reproducible_files, write_sitecustomize
from tests.tiny_codec import with_tokens

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture(params=["processes", "ray"])
def executor(request: pytest.FixtureRequest) -> Executor:
    """Both executors with several workers."""
    if request.param == "processes":
        return PoolExecutor(2)
    return RayExecutor(request.getfixturevalue("cluster").address)


def test_pairs_have_the_bytes_of_one_process(
    executor: Executor, tiny_manifest: Path, tiny_built: Path, tmp_path: Path
) -> None:
    progress = ActAtPairs()
    summary = run_build(make_job(tiny_manifest, tmp_path), executor, progress)
    assert (summary.made, progress.made, summary.failures) == (12, 12, [])
    assert reproducible_files(tmp_path) == reproducible_files(tiny_built)


def test_tokens_have_the_bytes_of_one_process(
    executor: Executor, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    job = with_tokens(make_job(tiny_manifest, tmp_path / "tokens"), tiny_weights)
    waits = run_build(job, executor, BuildProgress()).waits
    assert reproducible_files(tmp_path / "tokens") == reproducible_files(tiny_tokens)
    assert waits.encoders > waits.for_workers > 0
    assert waits.workers > waits.for_encoders > 0


@pytest.mark.long
def test_features_have_the_bytes_of_one_process(
    executor: Executor, tiny_manifest: Path, tiny_features: Path, tmp_path: Path
) -> None:
    run_build(add_features(make_job(tiny_manifest, tmp_path / "out")), executor, BuildProgress())
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_features)


def test_a_damaged_sound_fails_only_its_shard(executor: Executor, tiny_built: Path, tmp_path: Path) -> None:
    manifest, out = make_library(tmp_path / "library"), tmp_path / "out"
    sound = tmp_path / "library" / "snare" / "valid-1.wav"
    content = sound.read_bytes()
    sound.write_bytes(content[:-2] + b"\x55\x55")
    summary = run_build(make_job(manifest, out), executor, BuildProgress())
    (failure,) = summary.failures
    assert failure.shard == "valid-000000"
    assert failure.key.startswith("valid-0000000")
    assert "valid-1.wav" in failure.cause
    assert summary.pairs == {"train": 10}
    events = [event["event"] for event in read_events(out / "log") if event.get("shard") == failure.shard]
    assert events == ["again", "failure"], "it is tried once more, then reported"
    assert [failed.shard for failed in read_status(out).failed] == ["valid-000000"]
    sound.write_bytes(content)
    assert not run_build(make_job(manifest, out), PoolExecutor(1), BuildProgress()).failures
    assert reproducible_files(out) == reproducible_files(tiny_built)


DEADLY = HANG_ONCE.replace("while True:\n                time.sleep(1)", "os._exit(9)").replace(
    'not os.path.exists(os.environ["HANG_ONCE"])', "True"
)
"""A `sitecustomize` that kills every worker process at the fifth pair."""


@pytest.mark.long
def test_a_shard_that_hangs_is_retried_and_one_that_kills_its_workers_fails(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path, disconnect: None
) -> None:
    job = make_job(tiny_manifest, tmp_path / "out")
    deadly = write_sitecustomize(tmp_path / "deadly", DEADLY)
    connect_with(cluster, PYTHONPATH=deadly, HANG_ONCE=str(tmp_path / "died"))
    summary = run_build(job, RayExecutor(), BuildProgress())
    (failure,) = summary.failures
    assert failure.shard == "train-000001"
    assert "its worker died 3 times" in failure.cause
    assert summary.made == 9
    ray.shutdown()
    hang = write_sitecustomize(tmp_path / "hang", HANG_ONCE)
    connect_with(cluster, PYTHONPATH=hang, HANG_ONCE=str(tmp_path / "hung"))
    summary = run_build(job, RayExecutor(shard_seconds=30.0), BuildProgress())
    assert (tmp_path / "hung").exists()
    assert not summary.failures
    (again,) = (event for event in read_events(tmp_path / "out" / "log") if event["event"] == "again")
    assert "took longer than" in again["cause"]
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)


@pytest.mark.long
def test_a_build_on_a_store_survives_refused_writes(
    cluster: Cluster, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, bucket: Any, disconnect: None
) -> None:
    """Library, weights and data set are on a store that refuses one write in five; the nodes share no disk."""
    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("weights/tiny.pth", tiny_weights.read_bytes())
    writes = count()
    bucket.server.fault = lambda method, _path: 503 if method == "PUT" and next(writes) % 5 == 4 else None
    connect_with(cluster, **{name: os.environ[name] for name in (*CREDENTIALS, "AWS_ENDPOINT_URL")})
    library = load_library(f"{bucket}/library/library.csv")
    job = replace(make_job(tiny_manifest, Path()), library=library, out=parse_location(f"{bucket}/data"))
    summary = run_build(with_tokens(job, f"{bucket}/weights/tiny.pth"), RayExecutor(), BuildProgress())
    assert not summary.failures
    assert next(writes) > 5
    assert bucket.reproducible_files("data") == reproducible_files(tiny_tokens)
