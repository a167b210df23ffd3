"""Process many files in worker processes; a file that crashes its worker loses no other file."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from typing import TypeVar

from rmod_pipeline.storage.child_processes import (
    hide_main_module,
    ignore_interrupts,
    report_failed_start,
    start_process_pool,
)

Task = TypeVar("Task")
TaskResult = TypeVar("TaskResult")
BatchFunction = Callable[[list[Task]], list[TaskResult]]

ScanProgress = Callable[[str, int, int], None]
"""Called with the name of the step, the number of finished items, and the number of all items."""

CountProgress = Callable[[int, int], None]
"""Called with the number of finished items, and the number of all items."""

OpenProgress = Callable[[str], AbstractContextManager[CountProgress]]
"""Opens the progress of one step, given its description."""

_BATCH_SIZE = 16
_BATCHES_PER_WORKER = 3
_MIN_TASKS_FOR_POOL = 64


def count_step(progress: ScanProgress | None, step: str) -> CountProgress | None:
    """Return what reports the progress of one step; None if nothing is reported."""
    return None if progress is None else partial(progress, step)


def map_batches(
    function: BatchFunction[Task, TaskResult],
    tasks: Iterable[Task],
    workers: int,
    count: int,
    *,
    batch_size: int = _BATCH_SIZE,
    fewest_for_pool: int = _MIN_TASKS_FOR_POOL,
) -> Iterator[tuple[Task, TaskResult | None]]:
    """Yield every task with its result, in any order; the result is None if the task crashed its worker process.

    ``function`` maps a list of tasks to a list of results and must be importable from a module. ``tasks`` is consumed
    lazily; ``count`` is its approximate length. One worker or few tasks run in this process, because starting workers
    would take longer. batch_size: tasks that are sent to a worker at once, 1 for long ones.
    """
    batches = _make_batches(tasks, batch_size)
    if workers <= 1 or count < fewest_for_pool:
        for batch in batches:
            with _one_thread():
                results = function(batch)
            yield from zip(batch, results, strict=True)
        return
    while True:
        lost_tasks = yield from _run_until_crash(function, batches, workers)
        if not lost_tasks:
            return
        yield from _run_one_by_one(function, lost_tasks)


def map_in_order(
    function: BatchFunction[Task, TaskResult],
    tasks: Iterable[Task],
    workers: int,
    count: int,
    on_arrival: Callable[[Task, TaskResult | None], object] = lambda _task, _result: None,
) -> Iterator[tuple[Task, TaskResult | None]]:
    """Yield what ``map_batches`` yields, in the order of the tasks; a result that overtakes another waits in memory.

    ``on_arrival`` is called with each task and its result as soon as it is there, before any waiting.
    """
    waiting: dict[int, tuple[Task, TaskResult | None]] = {}
    following = 0
    for (number, task), result in map_batches(partial(_call_numbered, function), enumerate(tasks), workers, count):
        on_arrival(task, result)
        waiting[number] = task, result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def _call_numbered(function: BatchFunction[Task, TaskResult], tasks: list[tuple[int, Task]]) -> list[TaskResult]:
    return function([task for _, task in tasks])


def _run_until_crash(
    function: BatchFunction[Task, TaskResult], batches: Iterator[list[Task]], workers: int
) -> Generator[tuple[Task, TaskResult | None], None, list[Task]]:
    """Yield results until all tasks are done or a worker crashes; return the tasks that were running at the crash."""
    pool = start_process_pool(workers, _initialize_worker)
    running: dict[Future[list[TaskResult]], list[Task]] = {}
    try:
        while True:
            for batch in islice(batches, workers * _BATCHES_PER_WORKER - len(running)):
                with report_failed_start(pool), hide_main_module():
                    running[pool.submit(function, batch)] = batch
            if not running:
                return []
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield from zip(running[future], future.result(), strict=True)
                del running[future]
    except BrokenProcessPool:
        return [task for batch in running.values() for task in batch]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_one_by_one(
    function: BatchFunction[Task, TaskResult], tasks: list[Task]
) -> Iterator[tuple[Task, TaskResult | None]]:
    """Yield each task with its result, so that only the task that causes a crash is lost."""
    remaining = iter(tasks)
    while True:
        with start_process_pool(1, _initialize_worker) as pool:
            for task in remaining:
                try:
                    with report_failed_start(pool), hide_main_module():
                        future = pool.submit(function, [task])
                    yield task, future.result()[0]
                except BrokenProcessPool:
                    yield task, None
                    break
            else:
                return


def _one_thread() -> AbstractContextManager[object]:
    """Let libraries compute with one thread, as in workers: how they add up may depend on the number of threads."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limits


def _initialize_worker() -> None:
    """Leave interrupts to the parent process, and discard what C decoders print to stderr about damaged files."""
    ignore_interrupts()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _make_batches(tasks: Iterable[Task], size: int) -> Iterator[list[Task]]:
    remaining = iter(tasks)
    while batch := list(islice(remaining, size)):
        yield batch
