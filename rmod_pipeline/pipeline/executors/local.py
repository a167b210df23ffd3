"""Run shards on this machine: in this process with one worker, in a pool of processes with several."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from rmod_pipeline.pipeline.encoding import TimedEncoder
from rmod_pipeline.pipeline.executors import Executor, OnPairs
from rmod_pipeline.pipeline.executors.encoder_processes import (
    EncoderAddresses,
    EncoderProcesses,
    encoder_devices,
    open_in_process,
)
from rmod_pipeline.pipeline.executors.processes import WorkerSlots, begin_child, stop_between_pairs
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult, WaitTimes, describe_failure, describe_timeout
from rmod_pipeline.pipeline.worker import Worker
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage.child_processes import defer_signals, hide_main_module, report_failed_start

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
TRIES = 3
"""How often a shard is started whose worker dies: a sound that kills its worker must not do so for ever."""


@dataclass(frozen=True, slots=True)
class InProcessExecutor(Executor):
    """Make the shards in this process, one after another."""

    is_remote: ClassVar[bool] = False

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards one after another, and yield a result for each."""
        encode = None
        if job.encoding:
            (device,) = encoder_devices(job.encoding, 1, 1)
            encode = TimedEncoder(open_in_process(job.encoding.choice, device))
        with stop_between_pairs() as raise_if_stopped:

            def report_pairs(pairs: int) -> None:
                on_pairs(pairs)
                raise_if_stopped()

            with closing(Worker(job.open(encode), job.layout, report_pairs)) as worker:
                for plan in plans:
                    yield worker.run(plan)
                    raise_if_stopped()
                yield worker.waits + (encode.waits if encode else WaitTimes())


@dataclass(frozen=True, slots=True)
class PoolExecutor(Executor):
    """Make the shards in several worker processes; this process handles only their results."""

    is_remote: ClassVar[bool] = False
    workers: int
    encoders: int | None = None
    """Number of encoder processes. Default: all GPUs; on a CPU, one per four workers."""
    shard_seconds: float | None = None
    """Time limit per shard; a worker that takes longer is killed. Default: no limit."""

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards in parallel, and yield a result for each. Shards of a dead worker are started again alone."""
        tries = dict.fromkeys(plans, 0)
        with self._open_encoders(job) as encoders:
            yield from self._run_rounds(tries, job, on_pairs, encoders)
            yield encoders.waits if encoders else WaitTimes()

    @contextmanager
    def _open_encoders(self, job: Job) -> Iterator[EncoderProcesses | None]:
        if job.encoding is None:
            yield None
            return
        devices = encoder_devices(job.encoding, self.workers, self.encoders)
        with EncoderProcesses(job.encoding.choice, devices) as encoders:
            yield encoders

    def _run_rounds(
        self, tries: dict[ShardPlan, int], job: Job, on_pairs: OnPairs, encoders: EncoderProcesses | None
    ) -> Iterator[ShardResult]:
        """Run rounds until all plans have a result. A round ends when a worker dies, because that breaks its pool.

        The plans that were running then are suspects: they run one after another in the next round, with one worker.
        """
        while tries:
            suspects = [plan for plan, count in tries.items() if count]
            workers = 1 if suspects else min(self.workers, len(tries))
            with report_failed_start():
                slots = WorkerSlots(workers)
            for plan, result in self._run_round(suspects or list(tries), job, on_pairs, slots, encoders):
                if result is not None:
                    del tries[plan]
                    yield result
                    continue
                tries[plan] += 1
                if tries[plan] >= TRIES:
                    del tries[plan]
                    cause = f"its worker died {TRIES} times (out of memory, or killed)"
                    yield ShardFailure(shard=plan.name, cause=cause)
            yield slots.waits()

    def _run_round(
        self,
        plans: list[ShardPlan],
        job: Job,
        on_pairs: OnPairs,
        slots: WorkerSlots,
        encoders: EncoderProcesses | None,
    ) -> Iterator[tuple[ShardPlan, ShardResult | None]]:
        """Yield each plan with its result, or with None if it was running when a worker died.

        If a worker was killed at the time limit, only its plan is yielded: the others did not cause it.
        """
        # Spawned, not forked: a forked copy of a process with threads (numba, pedalboard) may hang.
        context = multiprocessing.get_context("spawn")
        addresses = encoders.addresses if encoders else None
        with report_failed_start():
            pair_count, stop = context.Value("q", 0), context.Event()
            arguments = (job, _SharedProgress(pair_count, stop), addresses, slots, logger.getEffectiveLevel())
            pool = ProcessPoolExecutor(slots.count, context, initializer=_start_worker, initargs=arguments)
        reported = finished = 0
        slow: list[int] = []
        try:
            # Submit more plans than there are workers, so that none is idle. With one worker submit one plan, so that
            # it is known which plan a death was due to.
            limit = 1 if slots.count == 1 else 2 * slots.count
            waiting, running = list(reversed(list(enumerate(plans)))), dict[Future[ShardResult], ShardPlan]()
            while waiting or running:
                while waiting and len(running) < limit:
                    number, plan = waiting.pop()
                    with report_failed_start(pool), defer_signals(), hide_main_module():
                        future = pool.submit(_make_shard, number, plan)
                    running[future] = plan
                if encoders:
                    encoders.restart_dead()
                if self.shard_seconds:
                    slow = slow or slots.kill_slow(self.shard_seconds)
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                pairs = pair_count.value  # read it once: the workers continue to count
                on_pairs(pairs - reported)
                reported = pairs
                for future in done:
                    result = future.result()  # raises if a worker died; the plan must still be in `running` then
                    finished += result.count if isinstance(result, Receipt) else 0
                    yield running.pop(future), result
        except BrokenProcessPool:
            on_pairs(finished - reported)  # the pairs of running shards are lost
            hung = [plans[number] for number in slow if plans[number] in running.values()]
            for plan in hung or running.values():
                yield plan, describe_timeout(plan.name, self.shard_seconds) if hung and self.shard_seconds else None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def local_executor(
    workers: int, encoders: int | None = None, shard_seconds: float | None = None
) -> InProcessExecutor | PoolExecutor:
    """Return the executor for a number of workers, and of encoders if tokens are made, on this machine."""
    # A time limit needs a worker process, because this process cannot be killed.
    in_process = workers == 1 and encoders in (None, 1) and shard_seconds is None
    return InProcessExecutor() if in_process else PoolExecutor(workers, encoders, shard_seconds)


class _StopRequested(Exception):
    """The driver wants no more pairs."""


@dataclass(slots=True)
class _SharedProgress:
    """The number of pairs that all workers have made, and whether the driver has told them to stop."""

    pair_count: Any
    stop: Any

    def add_pairs(self, pairs: int) -> None:
        """Add to the number of pairs. Raises _StopRequested."""
        with self.pair_count.get_lock():
            self.pair_count.value += pairs
        if pairs > 0 and self.stop.is_set():
            raise _StopRequested


# The state of a worker process: its worker or why there is none, and its slot. A pool can pass it only by a global.
_worker: list[tuple[Worker | Exception, WorkerSlots, int]] = []


def _start_worker(
    job: Job, progress: _SharedProgress, addresses: EncoderAddresses | None, slots: WorkerSlots, level: int
) -> None:
    begin_child(level)
    slot = slots.take()
    try:
        maker = job.open(addresses.connect(slot) if addresses else None)
        _worker.append((Worker(maker, job.layout, progress.add_pairs), slots, slot))
    except Exception as error:
        logger.debug("failed", exc_info=True)
        # An exception here would break the pool and be lost, so it becomes the failure of each shard.
        _worker.append((error, slots, slot))


def _make_shard(number: int, plan: ShardPlan) -> ShardResult:
    worker, slots, slot = _worker[0]
    if isinstance(worker, Exception):
        return describe_failure(plan.name, worker)
    slots.start_plan(slot, number)
    try:
        return worker.run(plan)
    finally:
        slots.end_plan(slot, worker.waits)
