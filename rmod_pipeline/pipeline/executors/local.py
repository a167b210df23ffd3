"""One machine: in this process for one worker, in a pool of processes for several."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
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
from rmod_pipeline.pipeline.executors.processes import STOPS, WorkerSlots, begin_child, signals_held
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult, WaitTimes, describe_failure, took_too_long
from rmod_pipeline.pipeline.worker import Worker
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage.child_processes import main_module_hidden

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
TRIES = 3
"""How often a shard is begun whose worker died; a sound that kills its worker must not do so for ever."""


@dataclass(frozen=True, slots=True)
class InProcessExecutor(Executor):
    """One worker: this process."""

    is_remote: ClassVar[bool] = False

    def run(self, plans: Sequence[ShardPlan], work: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards one after the other."""
        encoding = work.encoding
        encode = (
            TimedEncoder(open_in_process(encoding.choice, encoder_devices(encoding, 1, 1)[0])) if encoding else None
        )
        with _stopped_between_pairs() as check:

            def made(pairs: int) -> None:
                on_pairs(pairs)
                check()

            with closing(Worker(work.open(encode), work.layout, made)) as worker:
                for plan in plans:
                    yield worker.run(plan)
                    check()
                yield worker.waits + (encode.waits if encode else WaitTimes())


@dataclass(frozen=True, slots=True)
class PoolExecutor(Executor):
    """Several workers, each a process with sounds of its own; the driver holds receipts only."""

    is_remote: ClassVar[bool] = False
    workers: int
    encoders: int | None = None
    """Processes that encode, if tokens are asked for; by default as many as there are GPUs, or a few."""
    shard_seconds: float | None = None
    """How long a shard may take; a worker that takes longer is killed."""

    def run(self, plans: Sequence[ShardPlan], work: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards, several at a time; those that were under way when a worker died are begun again alone."""
        tries = dict.fromkeys(plans, 0)
        with self._encoders(work) as encoders:
            yield from self._rounds(tries, work, on_pairs, encoders)
            yield encoders.waits if encoders else WaitTimes()

    @contextmanager
    def _encoders(self, work: Job) -> Iterator[EncoderProcesses | None]:
        if work.encoding is None:
            yield None
            return
        devices = encoder_devices(work.encoding, self.workers, self.encoders)
        with EncoderProcesses(work.encoding.choice, devices) as encoders:
            yield encoders

    def _rounds(
        self, tries: dict[ShardPlan, int], work: Job, on_pairs: OnPairs, encoders: EncoderProcesses | None
    ) -> Iterator[ShardResult]:
        while tries:
            suspects = [plan for plan, count in tries.items() if count]
            workers = 1 if suspects else min(self.workers, len(tries))
            slots = WorkerSlots(workers)
            for plan, result in self._round(suspects or list(tries), work, on_pairs, slots, encoders):
                if result is not None:
                    del tries[plan]
                    yield result
                    continue
                tries[plan] += 1
                if tries[plan] >= TRIES:
                    del tries[plan]
                    yield ShardFailure(
                        shard=plan.name, cause=f"its worker died {TRIES} times (out of memory, or killed)"
                    )
            yield slots.waits()

    def _round(
        self,
        plans: list[ShardPlan],
        work: Job,
        on_pairs: OnPairs,
        slots: WorkerSlots,
        encoders: EncoderProcesses | None,
    ) -> Iterator[tuple[ShardPlan, ShardResult | None]]:
        """Yield each plan with what came of it, or None if it was under way when a worker died.

        When a worker was killed because it took too long, only its plan is yielded: no other is to blame.
        """
        # Spawned, not forked: a forked copy of a process with threads (numba, pedalboard) may hang.
        context = multiprocessing.get_context("spawn")
        made, stop = context.Value("q", 0), context.Event()
        doors = encoders.doors if encoders else None
        begun = (work, _SharedProgress(made, stop), doors, slots, logger.getEffectiveLevel())
        pool = ProcessPoolExecutor(slots.count, context, initializer=_begin, initargs=begun)
        told = finished = 0
        slow: list[int] = []
        try:
            # A few more shards than workers are handed out, so that who is done first goes on at once. To one worker
            # only one: there it is known which shard a death was due to.
            ahead = 1 if slots.count == 1 else 2 * slots.count
            waiting, running = list(reversed(list(enumerate(plans)))), dict[Future[ShardResult], ShardPlan]()
            while waiting or running:
                while waiting and len(running) < ahead:
                    number, plan = waiting.pop()
                    with signals_held(), main_module_hidden():
                        future = pool.submit(_make, number, plan)
                    running[future] = plan
                if encoders:
                    encoders.look_after()
                if self.shard_seconds:
                    slow = slow or slots.kill_slow(self.shard_seconds)
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                now = made.value  # read once: workers go on counting meanwhile
                on_pairs(now - told)
                told = now
                for future in done:
                    result = future.result()  # raises if a worker died: then its plan must still stand in `running`
                    finished += result.count if isinstance(result, Receipt) else 0
                    yield running.pop(future), result
        except BrokenProcessPool:
            on_pairs(finished - told)  # what the shards under way had made is lost
            hung = [plans[number] for number in slow if plans[number] in running.values()]
            for plan in hung or running.values():
                yield plan, took_too_long(plan.name, self.shard_seconds) if hung and self.shard_seconds else None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _stopped_between_pairs() -> Iterator[Callable[[], None]]:
    """Give a function that raises KeyboardInterrupt once the build was told to stop; told twice, it stops at once.

    In the middle of a pair an interrupt may get lost: what is written in C, an import for instance, may take it for a
    failure of its own, and everything after it would fail.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # signals are not for threads
        return
    before = {number: signal.getsignal(number) for number in STOPS}
    asked: list[int] = []

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, _frame: object) -> None:
        asked.append(number)
        restore()

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    for number in STOPS:
        signal.signal(number, ask)
    try:
        yield check
    finally:
        restore()


def local_executor(
    workers: int, encoders: int | None = None, shard_seconds: float | None = None
) -> InProcessExecutor | PoolExecutor:
    """Return the executor for a number of workers on this machine, and of encoders if tokens are asked for."""
    # Nobody can kill the process that it is.
    alone = workers == 1 and encoders in (None, 1) and shard_seconds is None
    return InProcessExecutor() if alone else PoolExecutor(workers, encoders, shard_seconds)


class _StopRequested(Exception):
    """The driver wants no more pairs."""


@dataclass(slots=True)
class _SharedProgress:
    """What a worker tells of pairs, and hears of the end."""

    made: Any
    stop: Any

    def on_pairs(self, pairs: int) -> None:
        with self.made.get_lock():
            self.made.value += pairs
        if pairs > 0 and self.stop.is_set():
            raise _StopRequested


_worker: list[tuple[Worker | Exception, WorkerSlots, int]] = []  # a pool hands a worker process its state no other way


def _begin(work: Job, told: _SharedProgress, doors: EncoderAddresses | None, slots: WorkerSlots, level: int) -> None:
    begin_child(level)
    place = slots.take()
    try:
        maker = work.open(doors.open(place) if doors else None)
        _worker.append((Worker(maker, work.layout, told.on_pairs), slots, place))
    except Exception as error:
        logger.debug("failed", exc_info=True)
        # Raised here it would break the pool, and nobody would hear of it.
        _worker.append((error, slots, place))


def _make(number: int, plan: ShardPlan) -> ShardResult:
    worker, slots, place = _worker[0]
    if isinstance(worker, Exception):
        return describe_failure(plan.name, worker)
    slots.begin(place, number)
    try:
        return worker.run(plan)
    finally:
        slots.end(place, worker.waits)
