"""Start processes with ``spawn`` without running the script of the caller again.

A spawned process imports the parent's ``__main__`` if it has a file or a spec. So a script that calls the Python API at
its top level would run again in every worker. Workers of rmod do not need ``__main__``: they run functions of this
package.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
