"""Start child processes of a build safely, report their progress, and end them with their driver."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait as wait_for_end

from rmod_pipeline.pipeline.log_context import configure_logging
from rmod_pipeline.pipeline.results import WaitTimes
from rmod_pipeline.storage.child_processes import STOP_SIGNALS


@contextmanager
def stop_between_pairs() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt if the build was told to stop. A second signal acts at once.

    In the middle of a pair an interrupt may be lost: C code, such as an import, may report it as an error of its own.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread can handle signals
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    received: list[int] = []

    def restore_handlers() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def remember_signal(number: int, _frame: object) -> None:
        received.append(number)
        restore_handlers()

    def raise_if_stopped() -> None:
        if received:
            raise KeyboardInterrupt

    for number in STOP_SIGNALS:
        signal.signal(number, remember_signal)
    try:
        yield raise_if_stopped
    finally:
        restore_handlers()


class WorkerSlots:
    """Shared memory in which workers report to their driver, one slot per worker.

    Only the worker writes its slot and only the driver reads it. So a worker that is killed leaves no lock behind.
    """

    def __init__(self, count: int) -> None:
        self.count, context = count, multiprocessing.get_context("spawn")
        self._taken = context.Value("q", 0)
        self._processes, self._plans = context.RawArray("q", count), context.RawArray("q", count)
        self._start_times, self._seconds, self._waited = (context.RawArray("d", count) for _ in range(3))

    def take(self) -> int:
        """Return the slot of this worker process."""
        with self._taken.get_lock():
            slot = int(self._taken.value)
            self._taken.value += 1
        self._processes[slot] = os.getpid()
        return slot

    def start_plan(self, slot: int, number: int) -> None:
        """Record that the worker starts a plan, given by its number."""
        self._plans[slot] = number
        self._start_times[slot] = time.monotonic()  # the same clock in all processes of a machine

    def end_plan(self, slot: int, waits: WaitTimes) -> None:
        """Record that the plan has ended, and the times of this worker over all its plans."""
        self._start_times[slot] = 0.0
        self._seconds[slot], self._waited[slot] = waits.workers, waits.for_encoders

    def waits(self) -> WaitTimes:
        """Return the times of all workers together."""
        return WaitTimes(workers=sum(self._seconds), for_encoders=sum(self._waited))

    def kill_slow(self, seconds: float) -> list[int]:
        """Kill the workers whose plan has taken longer, and return the numbers of those plans."""
        now, slow = time.monotonic(), []
        for start, number, process in zip(self._start_times, self._plans, self._processes, strict=True):
            if start and now - start > seconds:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)  # a process that hangs in C code ignores other signals
                slow.append(number)
        return slow


def begin_child(level: int = logging.WARNING) -> None:
    """Set up a child process: log at ``level``, ignore Ctrl-C, which the driver handles, and end with the driver."""
    configure_logging(level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    """End this process when the driver ends. An unfinished shard is only a draft, which a later run removes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)
