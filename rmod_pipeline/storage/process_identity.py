"""Identify machines, processes and what computes in them: who owns a lease or a draft, and who computes equal bits."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rmod_pipeline import OUTPUT_VERSION

_STATE, _THREADS = 0, 17
"""Where the state of a process and the number of its threads stand in /proc/PID/stat, after its name."""
_COMPUTING_PACKAGES = ("librosa", "numpy", "scipy", "soundfile", "soxr", "torch")


@cache
def machine_id() -> str:
    """Return a name, without dots and spaces, for this machine or container since its last start.

    Two containers may have the same host name and each have a process 7. Where /proc provides them, the boot id and
    the process namespace are part of the name. After a restart the name differs, so leases from before it expire.
    """
    host = socket.gethostname().replace(".", "-") or "host"
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()
        return f"{host}-{hashlib.sha256(f'{boot} {namespace}'.encode()).hexdigest()[:8]}"
    return host


def has_ended(machine: str, process: int) -> bool:
    """Return whether a process is known to have ended; False for processes of other machines."""
    return machine == machine_id() and not _is_alive(process)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    # The parent of a killed process may collect it late, or never, as the first process of many containers. Until then
    # the process answers to signals as if it lived.
    with suppress(OSError):
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
        # The name of the program stands in parentheses, and may itself contain some.
        fields = status.rpartition(")")[2].split()
        # As long as one of its threads works, a process may still write.
        return fields[_STATE] in {"Z", "X"} and int(fields[_THREADS]) <= 1
    return False


def available_cores() -> int:
    """Return the number of cores that this process may use, by its affinity mask and its container's limit."""
    from joblib import cpu_count

    return int(cpu_count())


@cache
def computation_identity() -> tuple[str, ...]:
    """Return what the last bits of a model's answer depend on besides model and sound: packages and processor family.

    It is a part of the names under which answers are kept.
    """
    from rmod_pipeline.audio import processor_family  # with numpy, which most users of this module do without

    packages = [f"{name} {package_version(name, 'absent')}" for name in _COMPUTING_PACKAGES]
    return (f"rmod output {OUTPUT_VERSION}", *packages, processor_family())


def package_version(package: str, otherwise: str) -> str:
    """Return the version of an installed package, or the word ``otherwise`` if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return otherwise
