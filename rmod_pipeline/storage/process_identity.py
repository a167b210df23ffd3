"""Whose is a lease, or a draft? Every machine numbers its processes from the beginning, and so does every container."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Return a name for all processes that are numbered together, without dots and spaces.

    Two containers may bear one host name and have a process 7 each, so where /proc tells boot and namespace they
    belong to the name. A machine that was started anew is another: what it left behind expires.
    """
    host = socket.gethostname().replace(".", "-") or "host"
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        return f"{host}-{hashlib.sha256(f'{boot} {namespace}'.encode()).hexdigest()[:8]}"
    return host


def is_gone(where: str, process: int) -> bool:
    """Return whether a process is known to have ended; of those of other machines nothing is known."""
    return where == machine() and not _alive(process)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
