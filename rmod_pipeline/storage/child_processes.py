"""Start processes with ``spawn`` without running the script of the caller again.

A spawned process imports the parent's ``__main__`` if it has a file or a spec. So a script that calls the Python API at
its top level would run again in every worker. Workers of rmod do not need ``__main__``: they run functions of this
package.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from rmod_pipeline.errors import UsageError

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
