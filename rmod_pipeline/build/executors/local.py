"""One machine: in this process for one worker, in a pool of processes for several."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_end
from typing import Any

from rmod_pipeline.build.executors import OnPairs
from rmod_pipeline.build.job import Job, Studio
from rmod_pipeline.build.outcome import Failure, Result
from rmod_pipeline.build.worker import run_shard
from rmod_pipeline.shards.layout import ShardPlan

POLL_SECONDS = 0.25
TRIES = 3
"""How often a shard is begun whose worker died; a sound that kills its worker must not do so for ever."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """One worker: this process."""

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards one after the other."""
        studio = Studio(job)
        for plan in plans:
            yield run_shard(plan, studio, lambda: on_pairs(1))


@dataclass(frozen=True, slots=True)
class ProcessPool:
    """Several workers, each a process with sounds of its own; the driver holds receipts only."""

    workers: int

    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards, several at a time; those of a worker that died are begun again."""
        tries = dict.fromkeys(plans, 0)
        while tries:
            alone = max(tries.values()) > 0
            for plan, result in self._round(list(tries), job, on_pairs, 1 if alone else self.workers):
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
        told = 0
        try:
            # A few more shards than workers are handed out, so that who is done first goes on at once. To one worker
            # only one: there it is known which shard a death was due to.
            ahead = 1 if workers == 1 else 2 * workers
            waiting, running = list(reversed(plans)), dict[Future[Result], ShardPlan]()
            while waiting or running:
                while waiting and len(running) < ahead:
                    plan = waiting.pop()
                    running[pool.submit(_make, plan)] = plan
                done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                on_pairs(made.value - told)
                told = made.value
                for future in done:
                    result = future.result()  # raises if a worker died: then its plan must still stand in `running`
                    yield running.pop(future), result
        except BrokenProcessPool:
            for plan in running.values():
                yield plan, None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


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

    def on_pair(self) -> None:
        with self.made.get_lock():
            self.made.value += 1
        if self.stop.is_set():
            raise _Stopped


_worker: list[_Worker] = []  # a pool hands a worker process its state no other way


def _begin(job: Job, made: Any, stop: Any) -> None:
    # Ctrl-C reaches every process of the terminal; only the driver decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
    return run_shard(plan, worker.studio, worker.on_pair)
