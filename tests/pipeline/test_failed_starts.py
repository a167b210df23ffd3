"""Processes that the system cannot start end with our error, which names the remedy, and leave no process behind."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import numpy as np
import pytest

from rmod_pipeline.errors import BuildError, CodecError, DoseError, UsageError
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.pipeline.executors import encoder_processes
from rmod_pipeline.pipeline.executors.config import ComputeConfig
from rmod_pipeline.pipeline.executors.processes import stop_between_pairs
from tests.tiny_build import wait_until

STARTS = ("EAGAIN", "ENOMEM", "ENOSPC", "EMFILE")


def _double(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def _run_in_two_processes() -> None:
    for _task, _result in map_batches(_double, range(100), 2, 100):
        pass


def _refuse_after(count: int, code: int) -> Callable[[Any], Any]:
    """Return a start of processes that fails after some of them."""
    started: list[Any] = []
    real_start = multiprocessing.context.SpawnProcess.start

    def start(process: Any) -> None:
        if len(started) >= count:
            raise OSError(code, os.strerror(code))
        started.append(process)
        real_start(process)

    return start


@pytest.mark.parametrize("code_name", STARTS)
@pytest.mark.parametrize("started", [0, 1])
def test_a_pool_that_cannot_start_all_its_workers_ends_those_that_it_started(
    code_name: str, started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = getattr(errno, code_name)
    before = set(multiprocessing.active_children())
    monkeypatch.setattr(multiprocessing.context.SpawnProcess, "start", _refuse_after(started, code))
    with pytest.raises(UsageError, match="cannot be started") as caught:
        _run_in_two_processes()
    assert caught.value.about == "--workers"
    assert os.strerror(code) in caught.value.found
    for process in set(multiprocessing.active_children()) - before:
        process.join(20)
        assert not process.is_alive()


def test_a_system_without_locks_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("rmod_pipeline.storage.child_processes.ProcessPoolExecutor", refuse)
    with pytest.raises(UsageError, match="/dev/shm"):
        _run_in_two_processes()


def test_a_long_tmpdir_leaves_room_for_the_sockets_of_encoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("x" * 90)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    sockets = encoder_processes._make_socket_folder()
    try:
        assert len(os.fsencode(sockets / "999")) <= encoder_processes.MAX_SOCKET_BYTES
    finally:
        sockets.rmdir()


def test_a_long_tmpdir_is_refused_before_ray_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from rmod_pipeline.pipeline.executors.ray.cluster import connect

    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was started"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path / ("x" * 90)))
        with pytest.raises(BuildError, match="too long") as caught, connect(None, 1):
            pytest.fail("connected")
        assert caught.value.about == name
        assert "RAY_TMPDIR=/tmp" in caught.value.hint


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/tmp/ray"),
        OSError(errno.ENOSPC, "No space left on device"),
        TimeoutError("the node timed out"),
        AssertionError(),
        KeyError("session_name"),
        RuntimeError("several\nlines"),
    ],
)
def test_whatever_ray_raises_at_its_start_is_our_error(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")
    from rmod_pipeline.pipeline.executors.ray.cluster import connect

    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    with pytest.raises(BuildError, match="no Ray cluster") as caught, connect(None, 1):
        pytest.fail("connected")
    assert "--executor local" in caught.value.hint
    assert len(str(caught.value).splitlines()) == 2


class _LostLoader:
    """A DataLoader whose worker processes are lost."""

    def __init__(self, error: Exception, num_workers: int) -> None:
        self.error, self.num_workers = error, num_workers

    def __iter__(self) -> Iterator[Any]:
        yield "batch"
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."),
        RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error. Out of shared memory?"),
        OSError(errno.ENOSPC, "No space left on device"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    ],
)
def test_lost_loader_processes_are_reported_with_a_remedy(error: Exception) -> None:
    pytest.importorskip("torch")
    from rmod_pipeline.training.loop.examples import raise_loader_errors

    batches = raise_loader_errors(_LostLoader(error, 2))
    assert next(batches) == "batch"
    with pytest.raises(DoseError, match="loader processes") as caught:
        next(batches)
    assert "--workers 0" in caught.value.hint
    with pytest.raises(type(error)):  # without processes it is a defect
        list(raise_loader_errors(_LostLoader(error, 0)))


class _KilledPairs:
    """A stream of pairs whose process is killed after the first."""

    def __iter__(self) -> Iterator[int]:
        yield 0
        os.kill(os.getpid(), signal.SIGKILL)
        yield 1


def test_a_killed_loader_process_is_reported() -> None:
    data = pytest.importorskip("torch.utils.data")
    from rmod_pipeline.training.loop.examples import ExampleStream, keep_pair, raise_loader_errors
    from rmod_pipeline.training.loop.loaders import worker_context

    stream, context = ExampleStream(cast("Any", _KilledPairs()), keep_pair), worker_context()
    loader = data.DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=1, multiprocessing_context=context)
    with pytest.raises(DoseError, match="is lost: DataLoader worker"):
        list(raise_loader_errors(loader))


def test_a_lost_head_of_a_cluster_is_said_before_ray_ends_the_process(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    from rmod_pipeline.pipeline.executors.ray import head_watch

    monkeypatch.setattr(head_watch, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(head_watch, "SILENCE_SECONDS", 0.1)
    head = socket.create_server(("127.0.0.1", 0))
    port = head.getsockname()[1]
    with caplog.at_level("INFO"), head_watch.watch_head(f"127.0.0.1:{port}"):
        time.sleep(0.5)
        assert not caplog.records
        head.close()
        assert wait_until(lambda: "is gone" in caplog.text)
        head = socket.create_server(("127.0.0.1", port))
        assert wait_until(lambda: "answers again" in caplog.text)
        head.close()
    assert caplog.text.count("give the same command again") == 1


def test_an_error_of_ray_that_belongs_to_no_shard_is_our_error() -> None:
    exceptions = pytest.importorskip("ray.exceptions")
    from rmod_pipeline.pipeline.executors.ray.executor import _report_lost_cluster

    with pytest.raises(BuildError, match="lost: no answer") as caught, _report_lost_cluster():
        raise exceptions.GetTimeoutError("no answer\nand more")
    assert "same command" in caught.value.hint


@pytest.mark.parametrize(
    ("device", "encoders", "devices"),
    [
        ("cuda", None, ["cuda:0", "cuda:1", "cuda:2"]),
        ("cuda", 2, ["cuda:0", "cuda:1"]),
        ("cuda:2", None, ["cuda:2"]),
        ("auto", 3, ["cuda:0", "cuda:1", "cuda:2"]),
    ],
)
def test_each_encoder_has_a_gpu_of_its_own(
    device: str, encoders: int | None, devices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_processes, "count_gpus", lambda: 3)
    settings: Any = SimpleNamespace(
        choice=SimpleNamespace(device=device), family=SimpleNamespace(codec={"device": "cuda"})
    )
    assert encoder_processes.encoder_devices(settings, 8, encoders) == devices
    with pytest.raises(UsageError, match=f"there are {1 if device == 'cuda:2' else 3}"):
        encoder_processes.encoder_devices(settings, 8, 4)


def test_encoders_that_cannot_all_be_started_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[MagicMock] = []

    def start(_: object, number: int) -> MagicMock:
        if number == 2:
            raise OSError(11, "Resource temporarily unavailable")
        started.append(MagicMock())
        return started[-1]

    monkeypatch.setattr(encoder_processes.EncoderProcesses, "_start", start)
    with pytest.raises(OSError, match="temporarily"), encoder_processes.EncoderProcesses(None, ["cpu"] * 3):  # type: ignore[arg-type]
        pytest.fail("not all are there")
    assert len(started) == 2 and all(process.terminate.called for process in started)


@pytest.mark.parametrize(
    ("answer", "found"), [(CodecError("codec", "out of memory", ""), "out of memory"), (EOFError(), "lost .* times")]
)
def test_a_renderer_gets_the_error_of_its_encoder(
    answer: Exception, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = MagicMock()
    connection.recv.return_value = answer
    connection.recv.side_effect = answer if isinstance(answer, EOFError) else None
    monkeypatch.setattr(encoder_processes.EncoderClient, "_connect", lambda _: connection)
    with pytest.raises(CodecError, match=found):
        encoder_processes.EncoderClient("address", b"key").encode(np.zeros((1, 9), np.float32))


def test_an_executor_that_is_not_installed_or_too_small_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="--encoders"):
        ComputeConfig(encoders=0).open()
    monkeypatch.setitem(sys.modules, "rmod_pipeline.pipeline.executors.ray", None)
    with pytest.raises(UsageError, match="is not installed"):
        ComputeConfig(executor="ray").open()


def test_a_thread_is_stopped_by_nothing() -> None:
    """Only the main thread can handle signals."""

    def run() -> bool:
        with stop_between_pairs() as stop:
            stop()
        return True

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result()
