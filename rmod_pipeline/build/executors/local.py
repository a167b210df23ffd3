"""One machine: in this process for one worker, in a pool of processes for several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_end
from typing import Any

from rmod_pipeline.build.executors import OnPairs
from rmod_pipeline.build.job import Job, Studio
from rmod_pipeline.build.outcome import Failure, Result
from rmod_pipeline.build.worker import run_shard
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt

POLL_SECONDS = 0.25
_STOPS = (signal.SIGINT, signal.SIGTERM)
TRIES = 3
"""How often a shard is begun whose worker died; a sound that kills its worker must not do so for ever."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """One worker: this process."""

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards one after the other."""
        studio = Studio(job)
        with _stopped_between_pairs() as check:

            def made(pairs: int) -> None:
                on_pairs(pairs)
                check()

            for plan in plans:
                yield run_shard(plan, studio, made)
                check()


@dataclass(frozen=True, slots=True)
class ProcessPool:
    """Several workers, each a process with sounds of its own; the driver holds receipts only."""

    workers: int

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards, several at a time; those that were under way when a worker died are begun again alone."""
        tries = dict.fromkeys(plans, 0)
        while tries:
            suspects = [plan for plan, count in tries.items() if count]
            workers = 1 if suspects else min(self.workers, len(tries))
            for plan, result in self._round(suspects or list(tries), job, on_pairs, workers):
                if result is not None:
                    del tries[plan]
                    yield result
                    continue
                tries[plan] += 1
                if tries[plan] >= TRIES:
                    del tries[plan]
                    yield Failure(shard=plan.name, cause=f"its worker died {TRIES} times (out of memory, or killed)")

    def _round(
        self, plans: list[ShardPlan], job: Job, on_pairs: OnPairs, workers: int
    ) -> Iterator[tuple[ShardPlan, Result | None]]:
        """Yield each plan with what came of it, or None if it was under way when a worker died."""
        # Spawned, not forked: a forked copy of a process with threads (numba, pedalboard) may hang.
        context = multiprocessing.get_context("spawn")
        made, stop = context.Value("q", 0), context.Event()
        pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(job, made, stop))
        told = finished = 0
        try:
            # A few more shards than workers are handed out, so that who is done first goes on at once. To one worker
            # only one: there it is known which shard a death was due to.
            ahead = 1 if workers == 1 else 2 * workers
            waiting, running = list(reversed(plans)), dict[Future[Result], ShardPlan]()
            while waiting or running:
                while waiting and len(running) < ahead:
                    plan = waiting.pop()
                    with _signals_held():
                        future = pool.submit(_make, plan)
                    running[future] = plan
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
            for plan in running.values():
                yield plan, None
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
    before = {number: signal.getsignal(number) for number in _STOPS}
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

    for number in _STOPS:
        signal.signal(number, ask)
    try:
        yield check
    finally:
        restore()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold back what stops a build while a worker is started: it inherits that, and is not torn down half-born."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def local_executor(workers: int) -> InProcess | ProcessPool:
    """Return the executor for a number of workers on this machine."""
    return InProcess() if workers == 1 else ProcessPool(workers)


class _Stopped(Exception):
    """The driver wants no more pairs."""


@dataclass(slots=True)
class _Worker:
    studio: Studio
    made: Any
    stop: Any

    def on_pairs(self, pairs: int) -> None:
        with self.made.get_lock():
            self.made.value += pairs
        if pairs > 0 and self.stop.is_set():
            raise _Stopped


_worker: list[_Worker] = []  # a pool hands a worker process its state no other way


def _begin(job: Job, made: Any, stop: Any) -> None:
    # Ctrl-C reaches every process of the terminal; only the driver decides what it means. Held back since the start.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    _worker.append(_Worker(Studio(job), made, stop))


def _end_with_driver() -> None:
    """End this worker when the driver is killed: its unfinished shard is a draft, and drafts are swept."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)


def _make(plan: ShardPlan) -> Result:
    worker = _worker[0]
    return run_shard(plan, worker.studio, worker.on_pairs)
