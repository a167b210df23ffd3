"""Hand shards to Ray as tasks, collect their results, and start those again whose worker or machine died."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import ray
from ray.exceptions import RayError, RayTaskError, RuntimeEnvSetupError

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.executors import Executor, OnPairs
from rmod_pipeline.pipeline.executors.encoder_processes import RENDERERS_PER_ENCODER
from rmod_pipeline.pipeline.executors.local import TRIES
from rmod_pipeline.pipeline.executors.ray.cluster import ClusterHandles, connect, start_cluster_actors
from rmod_pipeline.pipeline.executors.ray.worker import NodeRefused
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult, describe_failure, describe_timeout
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25

PROGRESS_SECONDS = 0.5
"""Interval between progress reports."""

STOP_SECONDS = 5.0
"""How long workers may take to release their shards before they are ended with Ray."""

TASKS_PER_CORE = 2
"""Tasks submitted to Ray per core: one runs and one waits, so that no core is idle."""


@dataclass(frozen=True, slots=True)
class RayExecutor(Executor):
    """Make the shards on all machines of a Ray cluster, or on this machine if no cluster is named."""

    is_remote: ClassVar[bool] = True
    address: str | None = None
    """The address for ``ray.init``. Default: RAY_ADDRESS, which ``ray job submit`` sets."""
    workers: int | None = None
    """Number of shards made at a time. Default: one per core."""
    encoders: int | None = None
    """Number of encoders. Default: all GPUs; on CPUs, one per four workers."""
    shard_seconds: float | None = None
    """Time limit per shard; a worker that takes longer is killed. Default: no limit."""

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards on all available cores, and yield a result for each."""
        cores = self.workers and self.workers + (self.encoders or -(-self.workers // RENDERERS_PER_ENCODER))
        with connect(self.address, cores), _report_lost_cluster():
            handles = start_cluster_actors(job, self.workers, self.encoders, self.shard_seconds)
            with closing(handles):
                yield from _RayRun(self, handles, plans, on_pairs).results()
                yield handles.waits()


@contextmanager
def _report_lost_cluster() -> Iterator[None]:
    """Turn an error of Ray that belongs to no shard into a BuildError."""
    try:
        yield
    except RayError as error:
        message = (str(error).strip() or type(error).__name__).partition("\n")[0]
        hint = "see `ray status`; finished shards are kept, so give the same command again"
        raise BuildError("cluster", f"lost: {message}", hint) from error


@dataclass(slots=True)
class _RayRun:
    """One pass over some shards: submit them, wait for them, collect their results."""

    executor: RayExecutor
    handles: ClusterHandles
    plans: Sequence[ShardPlan]
    on_pairs: OnPairs
    running: dict[Any, tuple[ShardPlan, str]] = field(default_factory=dict)
    """Plan and try id by task reference. A try id names a shard and how often its worker died before."""
    deaths: dict[str, int] = field(default_factory=dict)
    """Number of dead workers by shard."""
    start_times: dict[str, float] = field(default_factory=dict)
    """Monotonic time at which each running try started, by try id."""
    finished: int = 0
    """Number of pairs of finished shards."""
    reported: int = 0
    """Number of pairs passed to ``on_pairs`` so far."""
    last_report: float = 0.0

    def results(self) -> Iterator[ShardResult]:
        """Yield the result of each shard."""
        waiting = deque(self.plans)
        try:
            while waiting or self.running:
                self.handles.nodes.update()
                while waiting and len(self.running) < self._task_limit():
                    self._submit(waiting.popleft())
                for reference in self._wait_for_tasks():
                    plan, try_id = self.running.pop(reference)
                    result = self._result(reference, plan, try_id)
                    if result is None:
                        waiting.appendleft(plan)
                    else:
                        yield result
                self._report_progress()
        finally:
            self._stop()

    def _task_limit(self) -> int:
        return self.executor.workers or max(1, TASKS_PER_CORE * self.handles.nodes.cores)

    def _submit(self, plan: ShardPlan) -> None:
        try_id = f"{plan.name} {self.deaths.get(plan.name, 0)}"
        self.running[self.handles.submit(plan, try_id)] = plan, try_id

    def _wait_for_tasks(self) -> list[Any]:
        """Return the references of finished tasks; wait a moment if there are none."""
        references = list(self.running)
        ray.wait(references, num_returns=1, timeout=POLL_SECONDS)
        finished: list[Any] = ray.wait(references, num_returns=len(references), timeout=0)[0]
        return finished

    def _result(self, reference: Any, plan: ShardPlan, try_id: str) -> ShardResult | None:
        """Return the result of a finished task; None if its shard has to be started again."""
        try:
            result: ShardResult | NodeRefused = ray.get(reference)
        except RayTaskError as error:
            failure = describe_failure(plan.name, error.cause if isinstance(error.cause, Exception) else error)
            return replace(failure, detail=str(error)) if failure.detail else failure  # with the remote traceback
        except RuntimeEnvSetupError as error:
            return ShardFailure(shard=plan.name, cause=f"the job's environment cannot be set up: {error}", fatal=True)
        except RayError as error:
            return self._result_of_death(plan, try_id, error)
        if isinstance(result, NodeRefused):
            self.handles.nodes.refuse(result.node, result.reason)
            return None
        self.finished += result.count if isinstance(result, Receipt) else 0
        return result

    def _result_of_death(self, plan: ShardPlan, try_id: str, error: RayError) -> ShardFailure | None:
        """Return the failure of a shard whose worker died; None if it has to be started again."""
        limit, now = self.executor.shard_seconds, time.monotonic()
        if limit and now - self.start_times.get(try_id, now) >= limit:
            return describe_timeout(plan.name, limit)
        deaths = self.deaths[plan.name] = self.deaths.get(plan.name, 0) + 1
        message = str(error).partition("\n")[0]
        if deaths < TRIES:
            logger.warning("%s is started again: %s", plan.name, message)
            return None
        return ShardFailure(shard=plan.name, cause=f"its worker died {TRIES} times, the last time with: {message}")

    def _report_progress(self) -> None:
        """Pass the number of new pairs to ``on_pairs``, at most once per PROGRESS_SECONDS while shards are running."""
        if time.monotonic() - self.last_report < PROGRESS_SECONDS and self.running:
            return
        self.last_report = time.monotonic()
        try_ids = {try_id for _, try_id in self.running.values()}
        pairs, seconds = ray.get(self.handles.progress.read.remote(try_ids))
        now = time.monotonic()
        self.start_times = {try_id: now - elapsed for try_id, elapsed in seconds.items()}
        self.on_pairs(self.finished + pairs - self.reported)
        self.reported = self.finished + pairs

    def _stop(self) -> None:
        """Ask running tasks to stop between two pairs and to release their shards; others are ended with Ray.

        ``ray.cancel`` is not used: if a task ends at the same moment, Ray 2.60 ends the driver.
        """
        if self.running:
            self.handles.progress.request_stop.remote()
            ray.wait(list(self.running), num_returns=len(self.running), timeout=STOP_SECONDS)
