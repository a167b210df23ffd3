"""A machine of a cluster that differs or is faulty is named and excluded, and the others finish the build."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.exceptions import RayTaskError

from rmod_pipeline.errors import BuildError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.executors.nodes import NodeFacts, node_facts
from rmod_pipeline.pipeline.executors.ray import RayExecutor, worker
from rmod_pipeline.pipeline.executors.ray import cluster as ray_cluster
from rmod_pipeline.pipeline.executors.ray.cluster import start_encoders
from rmod_pipeline.pipeline.executors.ray.cluster_nodes import ClusterNodes
from rmod_pipeline.pipeline.executors.ray.executor import _RayRun
from rmod_pipeline.pipeline.executors.ray.worker import WorkerPayload, find_lost_input, find_lost_output
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.results import ShardFailure
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.storage import parse_location
from tests.pipeline.on_ray.cluster_build import connect_with
from tests.tiny_build import list_drafts, make_job, make_library, reproducible_files, write_sitecustomize
from tests.tiny_codec import with_tokens

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

NO_FACTS: NodeFacts = {"python": "", "code": "", "packages": {}, "files": {}}


@contextmanager
def faulty_node(cluster: Cluster, **variables: str) -> Iterator[str]:
    """Add a node of four cores with some environment variables, and yield the beginning of its id."""
    node = cluster.add_node(num_cpus=4, env_vars=variables)
    try:
        yield node.node_id[:8]
    finally:
        cluster.remove_node(node)


def refused_node(out: Path) -> tuple[str, str]:
    """Return name and cause of the only refused machine in the event log."""
    (refused,) = (event for event in read_events(out / "log") if event["event"] == "refused")
    return refused["node"], refused["cause"]


@pytest.mark.long
def test_a_machine_with_other_versions_is_excluded(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    info = tmp_path / "other" / "numpy-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n")
    paths = filter(None, (str(info.parent), os.environ.get("PYTHONPATH")))
    with faulty_node(cluster, PYTHONPATH=os.pathsep.join(paths)) as node_id:
        summary = run_build(make_job(tiny_manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
    assert not summary.failures
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)
    name, cause = refused_node(tmp_path / "out")
    assert "numpy is 9.9, not " in cause
    assert node_id in name
    assert "takes no part: numpy is 9.9" in caplog.text


FULL_DISK = """
import errno, os
def fail(_file):
    raise OSError(errno.ENOSPC, "No space left on device")
os.fsync = fail
"""
"""A `sitecustomize` that makes the disk look full."""


@pytest.mark.long
def test_a_machine_with_a_full_disk_is_excluded(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path
) -> None:
    """It fails shards faster than the others make them, and must not get them all."""
    path = write_sitecustomize(tmp_path / "full", FULL_DISK)
    with faulty_node(cluster, PYTHONPATH=path) as node_id:
        summary = run_build(make_job(tiny_manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
    assert not summary.failures
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)
    assert not list_drafts(tmp_path / "out")
    name, cause = refused_node(tmp_path / "out")
    assert "the disk is full" in cause
    assert node_id in name


LOSE_FOLDER = """
import errno, os, pathlib
try:
    import rmod_pipeline.pipeline.jobs.context as context
except ImportError:
    context = None
started = []
def fail_in_folder(owner, name):
    function = getattr(owner, name)
    def read(path, *rest):
        if started and os.environ["LOST_FOLDER"] in str(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return function(path, *rest)
    setattr(owner, name, read)
if context:
    fail_in_folder(os, "open")
    fail_in_folder(pathlib.Path, "read_bytes")
    make = context.WorkerContext.make
    def start_and_make(self, plan, on_pair):
        started.append(plan)
        return make(self, plan, on_pair)
    context.WorkerContext.make = start_and_make
"""
"""A `sitecustomize` that makes LOST_FOLDER unreadable when a worker makes its first shard, after its first checks."""


@pytest.mark.long
def test_a_machine_that_loses_the_library_is_excluded(cluster: Cluster, tiny_built: Path, tmp_path: Path) -> None:
    manifest = make_library(tmp_path / "library")
    path = write_sitecustomize(tmp_path / "lose", LOSE_FOLDER)
    with faulty_node(cluster, PYTHONPATH=path, LOST_FOLDER=str(manifest.parent)) as node_id:
        summary = run_build(make_job(manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
    assert not summary.failures
    assert reproducible_files(tmp_path / "out") == reproducible_files(tiny_built)
    name, cause = refused_node(tmp_path / "out")
    assert f"cannot read {manifest.parent}" in cause
    assert node_id in name


def make_payload(job: BuildJob) -> WorkerPayload:
    """Return what a worker process gets for a job."""
    facts = node_facts([], [str(path) for path in job.required_files() if isinstance(path, Path)])
    return WorkerPayload(job=job, facts=facts, progress=None, encoders=[], shard_seconds=None, log_level=0)


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read unreadable files again at once."""
    monkeypatch.setattr(worker, "RECHECK_SECONDS", 0.0)


def test_lost_files_are_named(tmp_path: Path, no_pause: None) -> None:
    manifest, out = make_library(tmp_path / "library"), tmp_path / "out"
    job = make_job(manifest, out)
    out.mkdir()
    (out / "build.json").write_text("{}")
    payload = make_payload(job)
    assert find_lost_input(payload) is None
    (out / "build.json").write_text("{ }")
    assert find_lost_input(payload) is None, "a changed file has changed on all machines"
    assert find_lost_output(payload) is None
    out.rename(tmp_path / "unmounted")
    assert "build.json" in str(find_lost_output(payload))
    (tmp_path / "unmounted").rename(out)
    manifest.parent.rename(tmp_path / "gone")
    assert "cannot read" in str(find_lost_input(payload))
    assert find_lost_output(payload) is None, "some shards can still be made"


def test_lost_objects_are_named(tiny_manifest: Path, bucket: Any, no_pause: None) -> None:
    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("data/build.json", b"{}")
    library = load_library(f"{bucket}/library/library.csv")
    job = replace(make_job(tiny_manifest, Path()), library=library, out=parse_location(f"{bucket}/data"))
    payload = make_payload(job)
    assert find_lost_input(payload) is None
    bucket.server.fault = lambda _method, path: 503 if "data" in path else None
    assert find_lost_input(payload) is None, "an outage affects all machines"
    bucket.server.fault = lambda _method, path: 403 if "library" in path else None
    assert "access denied" in str(find_lost_input(payload))
    bucket.server.fault = lambda _method, _path: None
    bucket.remove("data/build.json")
    assert "no such object" in str(find_lost_input(payload))


def test_a_remote_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise RayTaskError("rmod", 'File "remote/machine.py", line 7, in render', ZeroDivisionError("by nought"))

    monkeypatch.setattr(ray, "get", fail)
    run = _RayRun(RayExecutor(), None, [], lambda _: None)  # type: ignore[arg-type]
    result = run._result(None, ShardPlan(split="train", number=0, first=0, count=1), "")
    assert isinstance(result, ShardFailure)
    assert result.cause == "ZeroDivisionError: by nought"
    assert "remote/machine.py" in result.detail


def test_a_cluster_without_cores_is_awaited_unless_its_machines_are_refused(
    tiny_manifest: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = [
        {"NodeID": name, "Alive": True, "Resources": {"CPU": cores}, "NodeManagerAddress": "192.0.2.1"}
        for name, cores in (("head", 0), ("one", 4))
    ]
    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    assert job.encoding
    nodes = ClusterNodes(job.layout.log, NO_FACTS)
    monkeypatch.setattr(ray, "nodes", lambda: alive)
    monkeypatch.setattr(ClusterNodes, "_start_probe", lambda *_: None)
    nodes.update(wait=True)
    assert nodes.cores == 4
    nodes.refuse("one", "cannot read /shared/library.csv")
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*cannot read /shared"):
        nodes.update(wait=True)
    del alive[1]
    nodes.update(wait=True)
    assert nodes.cores == 0, "another machine may come"

    options: list[dict[str, Any]] = []
    started: list[object] = []

    class ActorClass:
        def options(self, **given: Any) -> ActorClass:
            options.append(given)
            return self

        def remote(self, *arguments: object) -> ActorClass:
            started.extend(arguments[:1])
            return self

        @property
        def node(self) -> ActorClass:
            return self

    monkeypatch.setattr(ray, "remote", lambda _: ActorClass())
    monkeypatch.setattr(ray, "get", lambda *_, **__: None)
    start_encoders(job.encoding, None, None, nodes)
    assert len(started) == 1, "renderers need one encoder"
    assert options[0]["num_cpus"] == 1, "so that a machine is started for it"


@pytest.mark.long
def test_a_machine_without_access_to_the_store_is_named(
    cluster: Cluster, tiny_manifest: Path, bucket: Any, disconnect: None
) -> None:
    connect_with(cluster, AWS_ENDPOINT_URL=os.environ["AWS_ENDPOINT_URL"], AWS_EC2_METADATA_DISABLED="true")
    job = replace(make_job(tiny_manifest, Path()), out=parse_location(f"{bucket}/data"))
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*build.json.*credentials"):
        run_build(job, RayExecutor(), BuildProgress())


def test_a_machine_without_access_to_the_folder_is_named(
    cluster: Cluster, tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, file = make_job(tiny_manifest, tmp_path / "out"), str(tmp_path / "only-on-the-driver")
    facts = node_facts([], [])
    # The answers of the machines are true; the facts of the driver's machine are not.
    monkeypatch.setattr(ray_cluster, "node_facts", lambda *_: {**facts, "files": {file: "0" * 64}})
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*cannot read"):
        run_build(job, RayExecutor(cluster.address), BuildProgress())
    assert not Layout(job.out).receipts()


def test_an_address_without_a_cluster_is_named(tiny_manifest: Path, tmp_path: Path, tiny_weights: Path) -> None:
    job = make_job(tiny_manifest, tmp_path / "out")
    with pytest.raises(BuildError, match="ray job submit"):
        run_build(job, RayExecutor("ray://head:10001"), BuildProgress())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BuildError, match=r"no Ray cluster: .*refused"):
            run_build(job, RayExecutor(f"127.0.0.1:{unused.getsockname()[1]}"), BuildProgress())
    with pytest.raises(BuildError, match="no Ray cluster"):
        run_build(job, RayExecutor("no-such-host.invalid:6379"), BuildProgress())


def test_a_cluster_without_gpus_is_named(tiny_manifest: Path, tmp_path: Path, tiny_weights: Path) -> None:
    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    assert job.encoding
    family = replace(job.encoding.family, codec={**job.encoding.family.codec, "device": "cuda"})
    with pytest.raises(BuildError, match="no GPUs"):
        start_encoders(replace(job.encoding, family=family), None, None, ClusterNodes(job.layout.log, NO_FACTS))
