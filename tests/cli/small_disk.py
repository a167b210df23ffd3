"""Disks that fill up: a small file system, and a stand-in that needs no permission to mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import pytest

from tests.tiny_build import write_sitecustomize

SMALL, LARGE = 2**20, 2**23
"""Bytes: room for half of the tiny data set, and for all of it."""


class SmallDisk(ABC):
    """A folder with little room."""

    folder: Path

    @abstractmethod
    def enlarge(self) -> None:
        """Make room for the whole data set."""

    @abstractmethod
    def fill(self) -> None:
        """Leave no room at all."""

    @abstractmethod
    def close(self) -> None:
        """Remove the disk."""


class MountedDisk(SmallDisk):
    """A file system of its own, which takes permission to mount. Skips the test without it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no permission to mount a small disk")

    def enlarge(self) -> None:
        subprocess.run(["mount", "-o", f"remount,size={LARGE}", str(self.folder)], check=True)

    def fill(self) -> None:
        with pytest.raises(OSError, match="No space"), (self.folder / "ballast").open("wb") as file:
            file.write(bytes(2 * SMALL))

    def close(self) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


INJECTED = """
import errno, os, shutil
from pathlib import Path
os_fsync, shutil_disk_usage = os.fsync, shutil.disk_usage
def free():
    used = 0
    for folder, _, names in os.walk(os.environ["SMALL_DISK"]):
        for name in names:
            try:
                used += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass
    return int(os.environ["SMALL_DISK_BYTES"]) - used
def fsync(file):
    if free() < 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os_fsync(file)
def disk_usage(path):
    return shutil_disk_usage(path)._replace(free=max(0, free()))
os.fsync, shutil.disk_usage = fsync, disk_usage
"""
"""A `sitecustomize` that lets the disk report that it is full when a file is flushed, as network file systems do."""


class InjectedDisk(SmallDisk):
    """A folder whose files cannot be flushed to disk once they exceed a limit, in this process and its children."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        monkeypatch.setenv("SMALL_DISK", str(folder))
        monkeypatch.setenv("SMALL_DISK_BYTES", str(SMALL))
        monkeypatch.setenv("PYTHONPATH", write_sitecustomize(folder.parent / "injected", INJECTED))
        # Setting them to themselves makes monkeypatch restore them after the test.
        monkeypatch.setattr(os, "fsync", os.fsync)
        monkeypatch.setattr(shutil, "disk_usage", shutil.disk_usage)
        exec(INJECTED, {})

    def enlarge(self) -> None:
        self._monkeypatch.setenv("SMALL_DISK_BYTES", str(LARGE))

    def fill(self) -> None:
        self._monkeypatch.setenv("SMALL_DISK_BYTES", "0")

    def close(self) -> None:
        pass
