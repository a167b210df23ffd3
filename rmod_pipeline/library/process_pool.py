"""Working on many files at once in processes of their own; a file that kills its process costs nothing but itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from rmod_pipeline.storage.child_processes import main_module_hidden

Task = TypeVar("Task")
Answer = TypeVar("Answer")
BatchFunction = Callable[[list[Task]], list[Answer]]

ScanProgress = Callable[[str, int, int], None]
"""Called with the step's name, how much of it is done, and how much there is."""

_BATCH = 16
_AHEAD = 3
_WORTH_A_POOL = 64


def map_batches(
    work: BatchFunction[Task, Answer], jobs: Iterable[Task], workers: int, count: int
) -> Iterator[tuple[Task, Answer | None]]:
    """Yield every job with its answer, in no fixed order; None for a job that killed the process it ran in.

    ``work`` is a module's function that answers a list of jobs with a list. Jobs are read as they are needed; ``count``
    says about how many there are. A few are done here and now: starting processes would take longer.
    """
    batches = _batches(jobs)
    if workers <= 1 or count < _WORTH_A_POOL:
        for batch in batches:
            yield from zip(batch, work(batch), strict=True)
        return
    while True:
        lost = yield from _until_broken(work, batches, workers)
        if not lost:
            return
        yield from _one_by_one(work, lost)


def _until_broken(
    work: BatchFunction[Task, Answer], batches: Iterator[list[Task]], workers: int
) -> Generator[tuple[Task, Answer | None], None, list[Task]]:
    """Yield answers until all is done or a process dies; return the jobs that were under way then."""
    pool = _pool(workers)
    under_way: dict[Future[list[Answer]], list[Task]] = {}
    try:
        while True:
            for batch in islice(batches, workers * _AHEAD - len(under_way)):
                with main_module_hidden():
                    under_way[pool.submit(work, batch)] = batch
            if not under_way:
                return []
            for done in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield from zip(under_way[done], done.result(), strict=True)
                del under_way[done]
    except BrokenProcessPool:
        return [job for batch in under_way.values() for job in batch]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _one_by_one(work: BatchFunction[Task, Answer], jobs: list[Task]) -> Iterator[tuple[Task, Answer | None]]:
    """Yield each job with its answer, so that of several only the deadly one is lost."""
    rest = iter(jobs)
    while True:
        with _pool(1) as pool:
            for job in rest:
                try:
                    with main_module_hidden():
                        answer = pool.submit(work, [job])
                    yield job, answer.result()[0]
                except BrokenProcessPool:
                    yield job, None
                    break
            else:
                return


def _pool(workers: int) -> ProcessPoolExecutor:
    # Not by fork: a progress bar's thread may hold a lock at that moment, which the child would wait for in vain.
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_quiet)


def _quiet() -> None:
    """Leave interrupts to the parent, and drop what decoders written in C print about damaged files."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _batches(jobs: Iterable[Task]) -> Iterator[list[Task]]:
    rest = iter(jobs)
    while batch := list(islice(rest, _BATCH)):
        yield batch
