"""Processes of a build on one machine: started whole, and gone when their driver is."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait as wait_for_end

from rmod_pipeline.pipeline.log_context import configure_logging
from rmod_pipeline.pipeline.results import WaitTimes

STOPS = (signal.SIGINT, signal.SIGTERM)
"""What stops a build."""


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold back what stops a build while a process is started: it inherits that, and is not torn down half-born."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class WorkerSlots:
    """What workers tell their driver: a place each, which it alone writes and the driver reads, so that no lock can be
    left behind by one that is killed."""

    def __init__(self, count: int) -> None:
        self.count, context = count, multiprocessing.get_context("spawn")
        self._taken = context.Value("q", 0)
        self._process, self._plan = context.RawArray("q", count), context.RawArray("q", count)
        self._begun, self._seconds, self._waited = (context.RawArray("d", count) for _ in range(3))

    def take(self) -> int:
        """Return a place of this process's own."""
        with self._taken.get_lock():
            place = int(self._taken.value)
            self._taken.value += 1
        self._process[place] = os.getpid()
        return place

    def begin(self, place: int, plan: int) -> None:
        """Say that a plan, given by its number, is begun."""
        self._plan[place] = plan
        self._begun[place] = time.monotonic()  # one clock for all processes of a machine

    def end(self, place: int, waits: WaitTimes) -> None:
        """Say that it is over, and how long this worker took over all of its own."""
        self._begun[place] = 0.0
        self._seconds[place], self._waited[place] = waits.workers, waits.for_encoders

    def waits(self) -> WaitTimes:
        """Return how long all took, and how much of it they waited."""
        return WaitTimes(workers=sum(self._seconds), for_encoders=sum(self._waited))

    def kill_slow(self, seconds: float) -> list[int]:
        """Kill the workers that have been at a plan for longer, and return the numbers of those plans."""
        now, slow = time.monotonic(), []
        for begun, plan, process in zip(self._begun, self._plan, self._process, strict=True):
            if begun and now - begun > seconds:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)  # what hangs in C hears nothing else
                slow.append(plan)
        return slow


def begin_child(level: int = logging.WARNING) -> None:
    """Settle a process that was started with signals held: the driver alone decides what Ctrl-C means."""
    configure_logging(level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    """End this process when the driver is killed: its unfinished shard is a draft, and drafts are swept."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)
