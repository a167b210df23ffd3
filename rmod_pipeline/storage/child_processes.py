"""Start processes with ``spawn`` without running the script of the caller again, and safe from signals.

A spawned process imports the parent's ``__main__`` if it has a file or a spec. So a script that calls the Python API at
its top level would run again in every worker. Workers of rmod do not need ``__main__``: they run functions of this
package.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from rmod_pipeline.errors import UsageError

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that stop a build."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_lock = threading.RLock()


@contextmanager
def hide_main_module() -> Iterator[None]:
    """Hide the file and the spec of ``__main__`` while a process is started."""
    main = sys.modules["__main__"]
    with _lock:
        hidden = {
            name: getattr(main, name) for name in ("__file__", "__spec__") if getattr(main, name, None) is not None
        }
        for name in hidden:
            setattr(main, name, None)
        try:
            yield
        finally:
            for name, value in hidden.items():
                setattr(main, name, value)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Defer the signals that stop a build while a child process starts.

    The child inherits the blocked signals, so it cannot be stopped before it has set itself up and unblocks them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def report_failed_start(pool: ProcessPoolExecutor | None = None) -> Iterator[None]:
    """Raise UsageError if processes, or the locks and memory that they share, cannot be made.

    The processes of the pool that did start are ended: they would wait for work for ever, and Python for them.
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()
        reason = getattr(error, "strerror", None) or str(error) or "out of memory"
        hint = "give fewer --workers, or check the memory, the limit of processes (ulimit -u), /dev/shm and TMPDIR"
        raise UsageError("--workers", f"the worker processes cannot be started: {reason}", hint) from error


def ignore_interrupts() -> None:
    """Leave interrupts to the parent process, which waits until the tasks in work are done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def start_process_pool(workers: int, initializer: Callable[[], None] = ignore_interrupts) -> ProcessPoolExecutor:
    """Return a pool whose workers call ``initializer`` first. Raises UsageError if it cannot be made.

    Their libraries compute with one thread each: with more, the workers of all cores wait for each other.
    """
    # Spawn, not fork: a forked child can inherit a lock that the progress bar's thread holds, and wait for it forever.
    context = multiprocessing.get_context("spawn")
    with report_failed_start():
        return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(initializer,))


def _begin_worker(initializer: Callable[[], None]) -> None:
    # Libraries read these when they are imported, which is later: this module imports none of them.
    for name in _THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    initializer()
