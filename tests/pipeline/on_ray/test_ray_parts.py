"""The parts of the Ray executor that need no cluster: the driver's view of actors, probes and ports."""

from __future__ import annotations

import faulthandler
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import ray
from ray.exceptions import ActorUnavailableError, GetTimeoutError, NodeDiedError, RayActorError, RuntimeEnvSetupError

from rmod_pipeline.errors import BuildError, CodecError
from rmod_pipeline.pipeline.executors.nodes import MISSING, describe_differences, node_facts
from rmod_pipeline.pipeline.executors.ray import cluster, worker
from rmod_pipeline.pipeline.executors.ray.actors import EncoderActor, ProgressActor, RunMetrics, connect_encoder
from rmod_pipeline.pipeline.executors.ray.cluster_nodes import ClusterNodes
from rmod_pipeline.pipeline.results import ShardFailure, WaitTimes


def test_progress_counts_the_running_tries_alone() -> None:
    progress = ProgressActor()
    assert [progress.register_worker() for _ in range(3)] == [0, 1, 2]
    for try_id, pairs in (("a", 0), ("b", 0), ("a", 5), ("b", 2)):
        assert progress.report_pairs(try_id, pairs)
    pairs, seconds = progress.read({"a", "c"})
    assert pairs == 5 and seconds.keys() == {"a"} and seconds["a"] >= 0
    assert progress.read({"a", "b"})[0] == 5, "the others are forgotten"
    progress.request_stop()
    assert not progress.report_pairs("a", 6)


def test_the_times_of_a_worker_replace_its_earlier_ones() -> None:
    progress = ProgressActor()
    one = WaitTimes(workers=1.0, for_encoders=0.5)
    for _ in range(2):
        progress.report_waits("first", one)
    progress.report_waits("second", one)
    assert progress.waits() == one + one


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (CodecError("codec", "out of memory", ""), "codec: out of memory"),
        (ActorUnavailableError("gone", b"1" * 16), "lost 4 times over one batch"),
        (RayActorError(), "gone for good"),
    ],
)
def test_an_encoder_that_fails_is_an_error_of_the_codec(
    answer: Exception, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get(_: object) -> object:
        if isinstance(answer, CodecError):
            return answer
        raise answer

    monkeypatch.setattr(ray, "get", get)
    actor = SimpleNamespace(encode=SimpleNamespace(remote=lambda audio: audio))
    with pytest.raises(CodecError, match=found):
        connect_encoder(actor)(np.zeros((1, 9), np.float32))
    monkeypatch.setattr(ray, "get", lambda audio: audio)
    assert connect_encoder(actor)(np.ones((1, 9), np.float32)).all()


def test_an_error_of_the_codec_is_returned_and_ends_no_actor() -> None:
    error, counted = CodecError("codec", "out of memory", ""), list[float]()

    class Fails:
        waited, waits = 2.0, WaitTimes(encoders=9.0, for_workers=2.0)

        def __call__(self, _: object) -> object:
            raise error

    actor: Any = EncoderActor.__new__(EncoderActor)
    actor._encode, actor._counted_waits = Fails(), 0.5
    actor._metrics = SimpleNamespace(encoder_waits=SimpleNamespace(inc=counted.append))
    assert actor.encode(np.zeros((1, 9), np.float32)) is error
    assert counted == [1.5]
    assert actor.waits() == WaitTimes(encoders=9.0, for_workers=2.0)


def test_a_failed_shard_and_a_wait_are_counted() -> None:
    counted: list[object] = []
    metrics: Any = RunMetrics.__new__(RunMetrics)
    for name in ("shards", "rejects", "worker_waits"):
        setattr(metrics, name, SimpleNamespace(inc=lambda *values: counted.append(values)))
    metrics.count_shard(ShardFailure(shard="a", cause=""), 0.0)
    metrics.count_shard(ShardFailure(shard="a", cause=""), 1.5)
    assert counted == [(1, {"result": "failure"}), (1, {"result": "failure"}), (1.5,)]


def test_a_gpu_is_reserved_where_machines_have_one() -> None:
    nodes: Any = SimpleNamespace(with_cores=["ab" * 28], label_selector=lambda: {"node": "!in(b)"})
    assert cluster._encoder_options(0, 1, nodes) == {"num_gpus": 1, "num_cpus": 0, "label_selector": {"node": "!in(b)"}}
    assert "num_gpus" not in cluster._encoder_options(0, 0, nodes)


def test_an_address_without_a_port_is_left_to_ray() -> None:
    cluster._check_port("auto")
    with pytest.raises(BuildError):
        cluster._check_port("127.0.0.1:1")


def test_only_the_main_thread_keeps_its_signals() -> None:
    assert cluster._signal_handlers()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(cluster._signal_handlers).result() == {}


@pytest.mark.parametrize(
    ("error", "seconds", "refused"),
    [
        (GetTimeoutError(), 0.0, None),
        (GetTimeoutError(), 60.0, "gave no answer in"),
        (RuntimeEnvSetupError("no pip"), 0.0, "no pip"),
        (NodeDiedError("it has left"), 0.0, None),
    ],
)
def test_a_machine_that_gives_no_facts_is_refused_unless_it_may_still(
    error: Exception, seconds: float, refused: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(ray, "wait", lambda *_, **__: None)
    monkeypatch.setattr(ray, "get", fail)
    found: dict[str, str] = {}
    nodes: Any = SimpleNamespace(_probes={"a": object()}, facts=node_facts((), ()), refuse=found.__setitem__)
    ClusterNodes._check_probes(nodes, ["a"], seconds)
    assert (refused is None and not found) or (refused is not None and refused in found["a"])


def test_only_a_fault_of_the_machine_excludes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "find_lost_input", lambda _: "cannot read m.csv")
    find: Any = worker._find_machine_fault
    assert find(ShardFailure(shard="a", cause="disk full", machine_fault=True), None) == "disk full"
    assert find(ShardFailure(shard="a", cause="x", retryable=True), None) == "cannot read m.csv"
    assert find(ShardFailure(shard="a", cause="x"), None) is None


def test_a_limit_of_time_ends_with_its_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(faulthandler, "dump_traceback_later", lambda seconds, **_: calls.append(seconds))
    monkeypatch.setattr(faulthandler, "cancel_dump_traceback_later", lambda: calls.append("ended"))
    with worker._limit_time(None):
        assert not calls
    with pytest.raises(ValueError, match="broken"), worker._limit_time(60):
        raise ValueError("broken")
    assert calls == [60, "ended"]


def test_another_python_and_a_missing_package_are_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = node_facts(["no-such-package"], ())
    assert facts["packages"] == {"no-such-package": MISSING}
    assert describe_differences({**facts, "python": "2.7"}, facts) == f"Python is 2.7, not {facts['python']}"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert describe_differences(node_facts((), ()), facts) is not None
    assert node_facts((), ())["code"] == MISSING
