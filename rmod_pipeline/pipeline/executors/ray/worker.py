"""Make shards in the worker processes of a Ray cluster.

A worker checks its machine before it opens anything, and again when a shard fails in a way that other machines may not
share. Otherwise a faulty machine would fail shards faster than the others make them, and would get all of them.
"""

from __future__ import annotations

import faulthandler
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from rmod_pipeline.errors import RmodError
from rmod_pipeline.pipeline.executors.nodes import MISSING, NodeFacts, describe_differences, node_facts
from rmod_pipeline.pipeline.executors.ray.actors import RunMetrics, connect_encoder
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.log_context import configure_logging
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardFailure, ShardResult
from rmod_pipeline.pipeline.worker import Worker
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.storage import OutageError, StorePath

REPORT_SECONDS = 1.0
"""Interval between a worker's reports of pairs. The answer to a report is read at the next one."""

RECHECK_SECONDS = 5.0
"""Pause before a file that could not be read is read again; if it fails again, the machine is excluded."""


@dataclass(frozen=True, slots=True)
class WorkerPayload:
    """What a worker process needs for all shards of a run; each process fetches it once."""

    job: Job
    facts: NodeFacts
    """Facts of the driver's machine."""
    progress: Any
    """Handle of the ProgressActor."""
    encoders: Sequence[Any]
    """Handles of the EncoderActors."""
    shard_seconds: float | None
    """Time limit per shard."""
    log_level: int


@dataclass(frozen=True, slots=True)
class NodeRefused:
    """A machine that may not take part, and why."""

    node: str
    reason: str


class _StopRequested(BaseException):
    """The driver wants no more pairs. Not an Exception, so that it is not taken for a failure of the shard."""


class _WorkerState:
    """What a worker process keeps between the shards of a run."""

    def __init__(self, payload: WorkerPayload) -> None:
        self.payload, self._progress = payload, payload.progress
        self._metrics = RunMetrics()
        number = ray.get(self._progress.register_worker.remote())
        encoders = payload.encoders
        encode = connect_encoder(encoders[number % len(encoders)]) if encoders else None
        self._worker = Worker(payload.job.open(encode), payload.job.layout, self._report_pairs)
        self._worker_id = str(ray.get_runtime_context().get_worker_id())
        self._try_id, self._pairs = "", 0
        self._last_report = 0.0
        self._answer: Any = None
        """Reference to the answer to the last report."""

    def run(self, plan: ShardPlan, try_id: str) -> ShardResult:
        """Make a shard and return its result; ClaimedByOther if the driver has stopped the run."""
        self._try_id, self._pairs = try_id, 0
        self._last_report, self._answer = time.monotonic(), None
        waited_before = self._worker.waits.for_encoders
        if not ray.get(self._progress.report_pairs.remote(try_id, 0)):
            return ClaimedByOther(shard=plan.name)
        with _limit_time(self.payload.shard_seconds), suppress(_StopRequested):
            result = self._worker.run(plan)
            waits = self._worker.waits
            self._metrics.count_shard(result, waits.for_encoders - waited_before)
            ray.get(self._progress.report_waits.remote(self._worker_id, waits))
            return result
        return ClaimedByOther(shard=plan.name)

    def close(self) -> None:
        """Close the worker."""
        self._worker.close()

    def _report_pairs(self, pairs: int) -> None:
        self._pairs += pairs
        if pairs > 0:
            self._metrics.pairs.inc(pairs)
        if time.monotonic() - self._last_report >= REPORT_SECONDS:
            # Reading the answer to the report before this one costs no waiting.
            if self._answer is not None and not ray.get(self._answer):
                raise _StopRequested
            self._last_report = time.monotonic()
            self._answer = self._progress.report_pairs.remote(self._try_id, self._pairs)


@contextmanager
def _limit_time(seconds: float | None) -> Iterator[None]:
    """Kill this process if the context stays open for longer. A C thread does it, because Python code may hang."""
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


# The state of this worker process by run id, for one run at a time. Ray can keep it between tasks only in a global.
_states: dict[str, _WorkerState] = {}


@ray.remote(num_cpus=1, max_retries=0)  # the driver counts the tries
def make_shard_task(run_id: str, payloads: Sequence[Any], plan: ShardPlan, try_id: str) -> ShardResult | NodeRefused:
    """Make a shard, unless this machine may not take part.

    ``payloads`` holds the reference to the WorkerPayload: inside a list Ray does not fetch it for every task.
    """
    payload: WorkerPayload = _states[run_id].payload if run_id in _states else ray.get(payloads[0])
    if run_id not in _states:
        while _states:
            _states.popitem()[1].close()
        configure_logging(payload.log_level)
        facts = node_facts(payload.facts["packages"], payload.facts["files"])
        reason = describe_differences(facts, payload.facts) or _find_store_fault(payload.job)
        if reason:
            return _refuse(reason)
        _states[run_id] = _WorkerState(payload)
    reason = find_lost_output(payload)
    if reason:
        return _refuse(reason)
    result = _states[run_id].run(plan, try_id)
    reason = _find_machine_fault(result, payload) if isinstance(result, ShardFailure) else None
    return _refuse(reason) if reason else result


def _refuse(reason: str) -> NodeRefused:
    return NodeRefused(node=str(ray.get_runtime_context().get_node_id()), reason=reason)


def _find_machine_fault(failure: ShardFailure, payload: WorkerPayload) -> str | None:
    """Return why other shards would fail on this machine too; None if they would not."""
    if failure.machine_fault:
        return failure.cause
    return find_lost_input(payload) if failure.retryable else None


def find_lost_output(payload: WorkerPayload) -> str | None:
    """Return why this machine no longer sees the output folder: its disk may be unmounted, and shards would be lost."""
    build = payload.job.layout.build
    is_expected = isinstance(build, Path) and str(build.absolute()) in payload.facts["files"]
    return find_lost_input(payload) if is_expected and not build.exists() else None


def find_lost_input(payload: WorkerPayload) -> str | None:
    """Return which required files this machine could read and can no longer; None after a short disturbance."""
    if _find_unreadable(payload.facts):
        time.sleep(RECHECK_SECONDS)
    return _find_unreadable(payload.facts) or _find_store_fault(payload.job)


def _find_unreadable(expected: NodeFacts) -> str | None:
    """Return which files cannot be read. A file with other content has changed on all machines, and is no fault."""
    unreadable = [file for file, digest in node_facts([], expected["files"])["files"].items() if digest == MISSING]
    files = {file: expected["files"][file] for file in unreadable}
    return describe_differences({**expected, "files": {}}, {**expected, "files": files})


def _find_store_fault(job: Job) -> str | None:
    """Return why this machine cannot read required objects on a store; None if it can, or may be able to later."""
    for path in job.required_files():
        try:
            if isinstance(path, StorePath):
                path.read_bytes()
        except FileNotFoundError as error:
            # Without build.json this is another store of the same name. A missing sound is missing on all machines.
            if path == job.layout.build:
                return str(error)
        except OutageError:
            pass  # it affects all machines
        except (RmodError, OSError) as error:
            return str(error)
    return None
