"""Processes of a build on one machine: started whole, and gone when their driver is."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for_end

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


def begin_child() -> None:
    """Settle a process that was started with signals held: the driver alone decides what Ctrl-C means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    threading.Thread(target=_end_with_driver, daemon=True).start()


def _end_with_driver() -> None:
    """End this process when the driver is killed: its unfinished shard is a draft, and drafts are swept."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_end([parent.sentinel])
        os._exit(1)
