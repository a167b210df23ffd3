"""A Ray cluster makes the bytes of one process, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_build import (
    HANGS,
    RECIPE,
    SHORT_LIVED,
    command_of,
    customised,
    drafts,
    eventually,
    make_job,
    make_library,
    promised,
    start,
)

# Without the first, Ray leaves a token in the home folder, and other clusters ask for it.
os.environ.update({"RAY_AUTH_MODE": "disabled", "RAY_metrics_report_interval_ms": "1000"})

import ray
from ray.cluster_utils import Cluster
from ray.exceptions import RayTaskError

from rmod_pipeline.errors import BuildError
from rmod_pipeline.inspection.status import read_status
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.executors import Executor, nodes
from rmod_pipeline.pipeline.executors import ray as ray_executor
from rmod_pipeline.pipeline.executors.local import PoolExecutor
from rmod_pipeline.pipeline.executors.ray import RayExecutor, _Machines, _RayRun, _start_encoders
from rmod_pipeline.pipeline.executors.ray_worker import WorkerPayload, _blind, _lost
from rmod_pipeline.pipeline.results import ShardFailure
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.storage import parse_location

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

DOCS = Path(__file__).parents[2] / "docs"
Rmod = Callable[..., Any]


@pytest.fixture(scope="module")
def cluster(cache: Path) -> Iterator[Cluster]:
    """Three machines of one core each, on this one; the first is where jobs are sent to."""
    head = {"num_cpus": 1, "include_dashboard": True, "dashboard_port": 0}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=1, wait=False)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(params=["processes", "ray"])
def executor(request: pytest.FixtureRequest) -> Executor:
    if request.param == "processes":
        return PoolExecutor(2)
    return RayExecutor(request.getfixturevalue("cluster").address)


def ray_pids(part: str) -> list[int]:
    """Return the processes of Ray whose title holds a text."""
    found = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout
    return [int(pid) for pid in found.split() if part in command_of(int(pid))]


@dataclass
class AtPairs(BuildProgress):
    """Does something once, when some pairs are made."""

    what: Callable[[], None] = lambda: None
    after: int = 1
    made: int = 0
    did: bool = field(default=False)

    def advance(self, pairs: int) -> None:
        self.made += pairs
        if self.made >= self.after and not self.did:
            self.did = True
            self.what()


def test_the_bytes_of_one_process(executor: Executor, tiny_manifest: Path, tiny_built: Path, tmp_path: Path) -> None:
    progress = AtPairs()
    summary = run_build(make_job(tiny_manifest, tmp_path), executor, progress)
    assert (summary.made, progress.made, summary.failures) == (12, 12, [])
    assert promised(tmp_path) == promised(tiny_built)


def test_the_tokens_of_one_process(
    executor: Executor, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "tokens"), tiny_weights)
    waits = run_build(job, executor, BuildProgress()).waits
    assert promised(tmp_path / "tokens") == promised(tiny_tokens)
    assert waits.encoders > waits.for_workers > 0
    assert waits.workers > waits.for_encoders > 0


def test_a_poisoned_sound_fails_its_shard_alone(executor: Executor, tiny_built: Path, tmp_path: Path) -> None:
    manifest, out = make_library(tmp_path / "library"), tmp_path / "out"
    sound = tmp_path / "library" / "snare" / "valid-1.wav"
    whole = sound.read_bytes()
    sound.write_bytes(whole[:-2] + b"\x55\x55")
    summary = run_build(make_job(manifest, out), executor, BuildProgress())
    (failure,) = summary.failures
    assert failure.shard == "valid-000000"
    assert failure.key.startswith("valid-0000000")
    assert "valid-1.wav" in failure.cause
    assert summary.pairs == {"train": 10}
    events = [each["event"] for each in read_events(out / "log") if each.get("shard") == failure.shard]
    assert events == ["again", "failure"], "tried once more, and then reported"
    assert [each.shard for each in read_status(out).failed] == ["valid-000000"]
    sound.write_bytes(whole)
    assert not run_build(make_job(manifest, out), PoolExecutor(1), BuildProgress()).failures
    assert promised(out) == promised(tiny_built)


def in_environment(cluster: Cluster, **variables: str) -> None:
    """Connect to the cluster so that its workers get these variables."""
    ray.init(address=cluster.address, runtime_env={"env_vars": variables}, log_to_driver=False)


@pytest.fixture
def disconnected() -> Iterator[None]:
    yield
    ray.shutdown()


DEADLY = HANGS.replace("while True:\n                time.sleep(1)", "os._exit(9)").replace(
    'not os.path.exists(os.environ["HANGS_ONCE"])', "True"
)


def test_a_hung_shard_is_tried_again_and_a_deadly_one_given_up(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path, disconnected: None
) -> None:
    job = make_job(tiny_manifest, tmp_path / "out")
    deadly, hangs = customised(tmp_path / "deadly", DEADLY), customised(tmp_path / "hangs", HANGS)
    in_environment(cluster, PYTHONPATH=deadly, HANGS_ONCE=str(tmp_path / "died"))
    summary = run_build(job, RayExecutor(), BuildProgress())
    (failure,) = summary.failures
    assert failure.shard == "train-000001"
    assert "its worker died 3 times" in failure.cause
    assert summary.made == 9
    ray.shutdown()
    in_environment(cluster, PYTHONPATH=hangs, HANGS_ONCE=str(tmp_path / "hung"))
    summary = run_build(job, RayExecutor(shard_seconds=5.0), BuildProgress())
    assert (tmp_path / "hung").exists()
    assert not summary.failures
    (again,) = (each for each in read_events(tmp_path / "out" / "log") if each["event"] == "again")
    assert "took longer than" in again["cause"]
    assert promised(tmp_path / "out") == promised(tiny_built)


def test_a_machine_with_other_versions_is_named_and_left_out(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    info = tmp_path / "other" / "numpy-9.9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9\n")
    other = cluster.add_node(num_cpus=4, env_vars={"PYTHONPATH": str(info.parent)})
    try:
        summary = run_build(make_job(tiny_manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
        assert not summary.failures
        assert promised(tmp_path / "out") == promised(tiny_built)
        (refused,) = (each for each in read_events(tmp_path / "out" / "log") if each["event"] == "refused")
        assert "numpy is 9.9, not " in refused["cause"]
        assert other.node_id[:8] in refused["node"]
        assert "takes no part: numpy is 9.9" in caplog.text
    finally:
        cluster.remove_node(other)


FULL = """
import errno, os
def full(_file):
    raise OSError(errno.ENOSPC, "No space left on device")
os.fsync = full
"""


def test_a_machine_whose_disk_is_full_is_named_and_left_out(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path
) -> None:
    """It fails shards faster than the others make them: it must not get them all."""
    other = cluster.add_node(num_cpus=4, env_vars={"PYTHONPATH": customised(tmp_path / "full", FULL)})
    try:
        summary = run_build(make_job(tiny_manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
        assert not summary.failures
        assert promised(tmp_path / "out") == promised(tiny_built)
        assert not drafts(tmp_path / "out")
        (refused,) = (each for each in read_events(tmp_path / "out" / "log") if each["event"] == "refused")
        assert "the disk is full" in refused["cause"]
        assert other.node_id[:8] in refused["node"]
    finally:
        cluster.remove_node(other)


LOSES = """
import errno, os, pathlib
try:
    import rmod_pipeline.pipeline.jobs.build as job
except ImportError:
    job = None
lost = []
def lose(of, name):
    whole = getattr(of, name)
    def reading(path, *rest):
        if lost and os.environ["LOST"] in str(path):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))
        return whole(path, *rest)
    setattr(of, name, reading)
if job:
    lose(os, "open")
    lose(pathlib.Path, "read_bytes")
    make = job.Studio.make
    def makes(self, plan, on_pair):
        lost.append(plan)
        return make(self, plan, on_pair)
    job.Studio.make = makes
"""
"""A `sitecustomize` that makes a folder unreadable once a worker is open: it was asked before what it can read."""


def test_a_machine_that_loses_the_library_under_way_is_named_and_left_out(
    cluster: Cluster, tiny_built: Path, tmp_path: Path
) -> None:
    manifest = make_library(tmp_path / "library")
    variables = {"PYTHONPATH": customised(tmp_path / "loses", LOSES), "LOST": str(manifest.parent)}
    other = cluster.add_node(num_cpus=4, env_vars=variables)
    try:
        summary = run_build(make_job(manifest, tmp_path / "out"), RayExecutor(cluster.address), BuildProgress())
        assert not summary.failures
        assert promised(tmp_path / "out") == promised(tiny_built)
        (refused,) = (each for each in read_events(tmp_path / "out" / "log") if each["event"] == "refused")
        assert f"cannot read {manifest.parent}" in refused["cause"]
        assert other.node_id[:8] in refused["node"]
    finally:
        cluster.remove_node(other)


def ticket(job: Any) -> WorkerPayload:
    """What a worker process knows of a job."""
    files = [str(place) for place in job.needed() if isinstance(place, Path)]
    facts = nodes.node_facts([], files)
    return WorkerPayload(work=job, facts=facts, tally=None, encoders=[], shard_seconds=None, level=0)


def test_what_a_machine_has_lost_is_told_from_what_passes(
    tiny_manifest: Path, bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rmod_pipeline.pipeline.executors.ray_worker.LOOK_AGAIN_SECONDS", 0.0)
    manifest = make_library(tmp_path / "library")
    on_disk = ticket(make_job(manifest, tmp_path / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "build.json").write_text("{}")
    on_disk = ticket(on_disk.work)
    assert _lost(on_disk) == ""
    (tmp_path / "out" / "build.json").write_text("{ }")
    assert _lost(on_disk) == "", "another file is another file on all machines"
    assert _blind(on_disk) == ""
    (tmp_path / "out").rename(tmp_path / "unmounted")
    assert "build.json" in _blind(on_disk)
    (tmp_path / "unmounted").rename(tmp_path / "out")
    manifest.parent.rename(tmp_path / "gone")
    assert "cannot read" in _lost(on_disk)
    assert _blind(on_disk) == "", "some shards can be made all the same"

    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("data/build.json", b"{}")
    library = load_library(f"{bucket}/library/library.csv")
    on_store = ticket(replace(make_job(tiny_manifest, Path()), library=library, out=parse_location(f"{bucket}/data")))
    assert _lost(on_store) == ""
    bucket.server.fault = lambda _method, path: 503 if "data" in path else None
    assert _lost(on_store) == "", "an outage passes"
    bucket.server.fault = lambda _method, path: 403 if "library" in path else None
    assert "access denied" in _lost(on_store)
    bucket.server.fault = lambda _method, _path: None
    bucket.remove("data/build.json")
    assert "no such object" in _lost(on_store)


def test_a_fault_elsewhere_keeps_its_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_: object) -> None:
        raise RayTaskError("rmod", 'File "over/there.py", line 7, in render', ZeroDivisionError("by nought"))

    monkeypatch.setattr(ray_executor.ray, "get", get)
    run = _RayRun(RayExecutor(), None, [], lambda _: None)  # type: ignore[arg-type]
    result = run._result(None, ShardPlan(split="train", number=0, first=0, count=1), "")
    assert isinstance(result, ShardFailure)
    assert result.cause == "ZeroDivisionError: by nought"
    assert "over/there.py" in result.detail


def test_a_cluster_without_cores_waits_unless_its_machines_are_refused(
    tiny_manifest: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.tiny_codec import with_tokens

    alive = [{"NodeID": name, "Alive": True, "Resources": {"CPU": cores}} for name, cores in (("head", 0), ("one", 4))]
    for node in alive:
        node["NodeManagerAddress"] = "192.0.2.1"
    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    machines = _Machines(job, {})
    monkeypatch.setattr(ray_executor.ray, "nodes", lambda: alive)
    monkeypatch.setattr(_Machines, "_ask", lambda *_: None)
    machines.look(wait=True)
    assert machines.cores == 4
    machines.refuse("one", "cannot read /shared/library.csv")
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*cannot read /shared"):
        machines.look(wait=True)
    del alive[1]
    machines.look(wait=True)
    assert machines.cores == 0, "another may come"

    asked: list[dict[str, Any]] = []
    started: list[object] = []

    class Kind:
        def options(self, **options: Any) -> Kind:
            asked.append(options)
            return self

        def remote(self, *arguments: object) -> Kind:
            started.extend(arguments[:1])
            return self

        @property
        def node(self) -> Kind:
            return self

    monkeypatch.setattr(ray_executor.ray, "remote", lambda _: Kind())
    monkeypatch.setattr(ray_executor.ray, "get", lambda *_, **__: None)
    _start_encoders(RayExecutor(), job, machines)
    assert len(started) == 1, "who renders needs one to encode"
    assert asked[0]["num_cpus"] == 1


def test_a_cluster_builds_straight_to_a_store(
    cluster: Cluster, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, bucket: Any, disconnected: None
) -> None:
    """Library, weights and data set on a store that refuses one write in five; the machines share nothing else."""
    from tests.local_store import CREDENTIALS
    from tests.tiny_codec import with_tokens

    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("weights/tiny.pth", tiny_weights.read_bytes())
    turns = count()
    bucket.server.fault = lambda method, _path: 503 if method == "PUT" and next(turns) % 5 == 4 else None
    in_environment(cluster, **{name: os.environ[name] for name in (*CREDENTIALS, "AWS_ENDPOINT_URL")})
    library = load_library(f"{bucket}/library/library.csv")
    job = replace(make_job(tiny_manifest, Path()), library=library, out=parse_location(f"{bucket}/data"))
    summary = run_build(with_tokens(job, f"{bucket}/weights/tiny.pth"), RayExecutor(), BuildProgress())
    assert not summary.failures
    assert next(turns) > 5
    assert bucket.promised("data") == promised(tiny_tokens)


def test_a_machine_that_cannot_reach_the_store_is_named_and_left_out(
    cluster: Cluster, tiny_manifest: Path, bucket: Any, disconnected: None
) -> None:
    in_environment(cluster, AWS_ENDPOINT_URL=os.environ["AWS_ENDPOINT_URL"], AWS_EC2_METADATA_DISABLED="true")
    job = replace(make_job(tiny_manifest, Path()), out=parse_location(f"{bucket}/data"))
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*build.json.*credentials"):
        run_build(job, RayExecutor(), BuildProgress())


def test_a_machine_that_does_not_see_the_folder_is_refused(
    cluster: Cluster, tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, here = make_job(tiny_manifest, tmp_path / "out"), str(tmp_path / "only-on-the-driver")
    monkeypatch.setattr("rmod_pipeline.pipeline.executors.ray.nodes.node_facts", lambda *_: {here: "0" * 64})
    with pytest.raises(BuildError, match=r"no machine can take part:\n.*cannot read"):
        # What the others answer is true; what the driver has is not.
        run_build(job, RayExecutor(cluster.address), BuildProgress())
    assert not Layout(job.out).receipts()


def test_the_death_of_an_encoder_costs_nothing_but_time(
    cluster: Cluster, tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    from tests.tiny_codec import with_tokens

    killed: list[int] = []

    def kill() -> None:
        killed.extend(ray_pids("ray::EncoderActor"))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    summary = run_build(job, RayExecutor(cluster.address), AtPairs(kill))
    assert killed
    assert not summary.failures
    assert promised(job.out) == promised(tiny_tokens)


def test_an_encoder_ends_of_what_it_cannot_answer_and_another_goes_on(
    cluster: Cluster,
    tiny_manifest: Path,
    tiny_tokens: Path,
    tiny_weights: Path,
    tmp_path: Path,
    disconnected: None,
) -> None:
    """Again and again over a run, but not over one batch."""
    from tests.tiny_codec import with_tokens

    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    sick = customised(tmp_path / "sick", SHORT_LIVED)
    in_environment(cluster, PYTHONPATH=sick, BATCHES_LIVED="0")
    failure = run_build(job, RayExecutor(), BuildProgress()).failures[-1]
    assert failure.fatal
    assert "encoder: lost 4 times over one batch" in failure.cause
    ray.shutdown()
    in_environment(cluster, PYTHONPATH=sick, BATCHES_LIVED="3")
    assert not run_build(job, RayExecutor(), BuildProgress()).failures
    assert promised(job.out) == promised(tiny_tokens)


def test_where_no_build_can_be_made_is_named(tiny_manifest: Path, tmp_path: Path, tiny_weights: Path) -> None:
    from tests.tiny_codec import with_tokens

    job = make_job(tiny_manifest, tmp_path / "out")
    with pytest.raises(BuildError, match="ray job submit"):
        run_build(job, RayExecutor("ray://head:10001"), BuildProgress())
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(BuildError, match=r"no Ray cluster: .*refused"):
            run_build(job, RayExecutor(f"127.0.0.1:{unused.getsockname()[1]}"), BuildProgress())
    with pytest.raises(BuildError, match="no Ray cluster"):
        run_build(job, RayExecutor("no-such-host.invalid:6379"), BuildProgress())
    job = with_tokens(job, tiny_weights)
    assert job.encoding
    family = replace(job.encoding.family, codec={**job.encoding.family.codec, "device": "cuda"})
    job = replace(job, encoding=replace(job.encoding, family=family))
    with pytest.raises(BuildError, match="no GPUs there"):
        _start_encoders(RayExecutor(), job, _Machines(job, {}))


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory, tiny_manifest: Path) -> Path:
    """A data set of 120 pairs in shards of 5, made on this machine."""
    out = tmp_path_factory.mktemp("larger") / "out"
    run_build(make_job(tiny_manifest, out, **LARGER), PoolExecutor(1), BuildProgress())
    return out


LARGER: dict[str, Any] = {"counts": {"train": 120}, "shard_size": 5}


def command(manifest: Path, folder: Path, *more: object) -> list[object]:
    """The same as a command."""
    (folder / "tiny.yaml").write_text(RECIPE)
    arguments = ["build", folder / "tiny.yaml", "--library", manifest, "--out", folder / "out"]
    return [*arguments, "--pairs", "train=120", "--shard-size", 5, *more]


def test_a_driver_that_is_killed_or_stopped_goes_on_beside_another(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path
) -> None:
    """Killed by force, then stopped as Ctrl-C does, then given again, together with a build without Ray."""
    on_ray = command(tiny_manifest, tmp_path, "--address", cluster.address)
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        there = len(Layout(tmp_path / "out").receipts())
        run = start(on_ray)
        assert eventually(lambda there=there: len(Layout(tmp_path / "out").receipts()) > there, 60)
        run.send_signal(number)
        _, err = run.communicate(timeout=30)
        assert run.returncode == code, err
    assert "Stopped. What is finished is kept" in err
    assert eventually(lambda: not ray_pids("ray::rmod")), "workers outlive their driver"
    done = len(Layout(tmp_path / "out").receipts())
    assert done < 24, "nothing was left to go on with"
    runs = [start(on_ray), start(command(tiny_manifest, tmp_path))]
    said = [run.communicate(timeout=90) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert promised(tmp_path / "out") == promised(larger)
    assert not drafts(tmp_path / "out")
    shards = [each["shard"] for each in read_events(tmp_path / "out" / "log") if each["event"] == "shard"]
    assert len(shards) == len(set(shards)), "a shard was made twice"


def printed(page: Path, changed: dict[str, str], which: int = 0) -> list[str]:
    """Return a `ray job submit` that a page prints, with some of its words changed, ready to be run."""
    lines = re.findall(r"```sh\n(ray job submit .*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    words = shlex.split(lines[which].replace("\\\n", " "))
    assert changed.keys() <= set(words)
    words = [re.sub(r"/shared/cache", os.environ["RMOD_CACHE"], changed.get(word, word)) for word in words]
    place = words.index("--") + 1
    assert words[place] == "rmod"
    words[place : place + 1] = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()"]
    return [str(Path(sys.executable).with_name("ray")), *words[1:]]


def submitted(words: list[str]) -> subprocess.CompletedProcess[str]:
    """Return what came of a job. A head whose agent is not up yet asks to try again later."""
    for _ in range(20):
        run = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        if "No available agent" not in run.stderr + run.stdout:
            break
        time.sleep(2)
    return run


def test_jobs_are_submitted_as_the_docs_say_and_prometheus_can_read_them(
    cluster: Cluster, tiny_manifest: Path, tiny_built: Path, tmp_path: Path
) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    changed = {
        "http://HEAD:8265": f"http://{cluster.webui_url}",
        "/shared/my.yaml": str(tmp_path / "tiny.yaml"),
        "/shared/library.csv": str(tiny_manifest),
        "/shared/OUT": str(tmp_path / "out"),
        "train=1000000,valid=10000,test=10000": "train=10,valid=2",
        "1000": "3",
    }
    run = submitted(printed(DOCS / "guides" / "clusters.md", changed))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Built 12 pairs" in run.stdout
    assert promised(tmp_path / "out") == promised(tiny_built)

    def scraped() -> str:
        found = ""
        for node in cluster.list_all_nodes():
            with urllib.request.urlopen(f"http://{node.node_ip_address}:{node.metrics_export_port}/metrics") as answer:
                found += answer.read().decode()
        return found

    assert eventually(lambda: "ray_rmod_pairs_total" in scraped(), 20)
    assert "ray_rmod_shards_total{" in scraped()


def test_a_job_with_a_recipe_from_elsewhere_is_stopped_and_goes_on(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path
) -> None:
    (tmp_path / "laptop").mkdir()
    (tmp_path / "laptop" / "my.yaml").write_text(RECIPE)
    layout, dashboard = Layout(tmp_path / "out"), f"http://{cluster.webui_url}"
    changed = {
        "http://HEAD:8265": dashboard,
        "./my-recipes": str(tmp_path / "laptop"),
        "/shared/library.csv": str(tiny_manifest),
        "/shared/OUT": str(tmp_path / "out"),
        "train=1000000": "train=120",
        "1000": "5",
    }
    words = printed(DOCS / "guides" / "clusters.md", changed, which=1)
    run = submitted([*words[:3], "--no-wait", "--submission-id", "to-be-stopped", *words[3:]])
    assert run.returncode == 0, run.stdout + run.stderr
    assert eventually(layout.receipts, 90)

    def job(verb: str) -> str:
        command = [words[0], "job", verb, "--address", dashboard, "to-be-stopped"]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

    job("stop")
    assert "Stopped. What is finished is kept" in job("logs")
    assert not list(layout.leases.iterdir()), "a lease is left"
    assert len(layout.receipts()) < 24, "nothing was left to go on with"
    run = submitted(words)
    assert run.returncode == 0, run.stdout + run.stderr
    assert promised(tmp_path / "out") == promised(larger)
    assert not drafts(tmp_path / "out")


def test_a_training_is_submitted_as_the_docs_say(cluster: Cluster, tiny_tokens: Path, tmp_path: Path) -> None:
    model = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 32, "condition_frames": 44}
    schedule = {"batch": 4, "steps": 4, "check_every_steps": 2}
    content = {"name": "small", "instruments": ["kick"], "model": model, "schedule": schedule}
    (tmp_path / "small.yaml").write_text(json.dumps(content))
    changed = {
        "http://HEAD:8265": f"http://{cluster.webui_url}",
        "--entrypoint-num-gpus": "--entrypoint-num-cpus",
        "8": "1",
        "paper": str(tmp_path / "small.yaml"),
        "/shared/OUT": str(tiny_tokens),
        "/shared/models": str(tmp_path / "models"),
    }
    run = submitted(printed(DOCS / "guides" / "training.md", changed))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "unigram" in run.stdout
    assert (tmp_path / "models" / "kick.pth").is_file()


def test_the_death_of_a_machine_costs_nothing_but_time(
    cluster: Cluster, tiny_manifest: Path, larger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last test: two machines are left. The driver never has more shards with Ray than two a core."""
    most: list[int] = []
    hand_out = _RayRun._hand_out

    def counted(run: _RayRun, plan: Any) -> None:
        hand_out(run, plan)
        most.append(len(run.running))

    monkeypatch.setattr(_RayRun, "_hand_out", counted)
    victim = next(node for node in cluster.worker_nodes)
    progress = AtPairs(lambda: cluster.remove_node(victim, allow_graceful=False), after=15)
    job = make_job(tiny_manifest, tmp_path / "out", **LARGER)
    summary = run_build(job, RayExecutor(cluster.address), progress)
    assert progress.did
    assert not summary.failures
    assert progress.made == 120, "pairs that were lost with the machine are counted twice"
    assert promised(job.out) == promised(larger)
    assert max(most) == 6


def test_a_lost_head_leaves_a_build_to_go_on_with(
    tiny_manifest: Path, larger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray ends a driver that hears nothing of its head for a while, and says so; what was made is kept."""
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    other = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        other.add_node(num_cpus=1)
        run = start(command(tiny_manifest, tmp_path, "--address", other.address))
        assert eventually(lambda: Layout(tmp_path / "out").receipts(), 60)
        other.head_node.kill_all_processes(check_alive=False, allow_graceful=False)
        _, err = run.communicate(timeout=90)
        assert run.returncode not in (0, None)
        assert "GCS" in err
    finally:
        other.shutdown()
    assert (
        run_build(make_job(tiny_manifest, tmp_path / "out", **LARGER), PoolExecutor(1), BuildProgress()).failures == []
    )
    assert promised(tmp_path / "out") == promised(larger)
