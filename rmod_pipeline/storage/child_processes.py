"""Start processes by ``spawn`` without running the caller's script again.

A spawned process imports the parent's ``__main__``, unless it has neither a file nor a spec. A script that calls the
Python API at its top level would therefore run again in every worker. No worker of rmod needs ``__main__``: what it
runs is a function of this package.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.RLock()


@contextmanager
def main_module_hidden() -> Iterator[None]:
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
