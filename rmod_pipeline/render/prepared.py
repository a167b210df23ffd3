"""Keep prepared sounds in a cache folder that several processes share: decoded one-shots, loops shifted in pitch.

To decode a one-shot takes milliseconds, to shift a loop tens of them, and both recur often: the paper's library and
ranges give 61,463 different shifts, and a million pairs use each about 46 times. Processes map the files into memory,
so that those of a machine share them. The folder is content-addressed: the name of a file is the hash of everything
that its audio depends on. So a file is never stale, and a second writer writes the same bytes. Each file is renamed
into its final name and has a checksum; an unreadable file is made again. Above the size limit, the least recently used
files are removed.
"""

from __future__ import annotations

import logging
import mmap
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np
from filelock import FileLock, Timeout

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.audio import Audio, processor_family
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.writing import temporary_file

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 4 * 2**30
"""Bytes on disk: about 3,000 mono loops of 8 s."""

_KEPT_SHARE = 0.8
"""Share of the limit that a clean-up leaves, so that the next one is not due at once."""

_ABANDONED_SECONDS = 3600.0
"""A temporary file that was last written longer ago belongs to a process that has died."""

_TOUCH_NANOSECONDS = 600 * 10**9
"""A file that was used within this time is not marked as used again."""
_SETTLED_NANOSECONDS = 2 * 10**9
"""Where the clock of a file system is coarse, a younger file may change without a change of its time."""
_MOST_CHECKED = 20_000
"""Files whose identities are kept: 6 MB."""

_HEADER = struct.Struct("<8sIIQ40x")
"""Magic word, CRC-32 of the samples, channels, frames. 64 bytes, so that samples begin at a cache line."""
_MAGIC = b"rmodsnd1"
_Identity = tuple[int, int, int]
"""Inode, bytes and time of a file: what changes if somebody writes to it or replaces it."""


def shift_pitch(loop: Audio, semitones: int, sample_rate: int) -> Audio:
    """Return a loop [channels, frames] shifted by whole semitones, with the same length (librosa's phase vocoder)."""
    if semitones == 0:
        return loop
    import librosa

    shifted = librosa.effects.pitch_shift(y=loop, sr=sample_rate, n_steps=semitones, res_type="soxr_hq")
    return np.ascontiguousarray(shifted, dtype=np.float32)


def prepared_folder() -> Path:
    """Return the folder of prepared sounds: in the user's cache, or under RMOD_CACHE."""
    return cache_folder() / "prepared"


@dataclass(frozen=True, slots=True)
class PreparedCache:
    """A cache folder of prepared sounds."""

    folder: Path
    limit: int = DEFAULT_LIMIT
    """Bytes."""
    maps: bool = True
    """Whether files are mapped into memory, or read. A file on a network may not vanish while it is mapped."""
    _checked: dict[str, _Identity] = field(default_factory=dict, compare=False, repr=False)
    """The files whose checksums this process has compared, by name: comparing them again would take most of a load."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a cache for another process, which has compared nothing yet."""
        return PreparedCache, (self.folder, self.limit, self.maps)

    def get(self, source: str, make: Callable[[], Audio], check: Callable[[], object] = lambda: None) -> Audio:
        """Return a sound [channels, frames], from the folder or made; ``source`` says how it is made.

        ``check`` is called before a sound that was made earlier is returned. The array is read-only. If the folder
        cannot be written, a warning is logged; the audio is the same.
        """
        path = self._path(source)
        cached = self._load(path)
        if cached is not None:
            check()
            return cached
        audio = np.array(make(), dtype="<f4", order="C")
        try:
            self._store(path, audio)
        except OSError as error:
            logger.warning("the cache of prepared sounds, %s, cannot be written: %s", self.folder, error)
        # Mapped like the others, so that this process keeps no copy of its own.
        stored = self._load(path) if self.maps else None
        audio.flags.writeable = False
        return audio if stored is None else stored

    def _path(self, source: str) -> Path:
        name = sha256("\0".join([source, *_versions()]).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.f32"

    def _store(self, path: Path, audio: Audio) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = audio.reshape(-1).data
        with temporary_file(path.with_name(f".{uuid4().hex}.tmp")) as temporary:
            with temporary.open("wb") as file:
                file.write(_HEADER.pack(_MAGIC, zlib.crc32(samples), *audio.shape))
                file.write(samples)
            temporary.replace(path)
        # A clean-up lists the folder, which takes milliseconds. Names are hashes, so this runs for every 64th new file.
        if path.name[0] in "0123" and path.name[1] == "0":
            self.clean_up()

    def _load(self, path: Path) -> Audio | None:
        """Return the sound of a file; None if there is no such file, or if it is damaged."""
        try:
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
                data = _map_file(file) if self.maps else file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            logger.warning("%s cannot be read, and is made again: %s", path, error)
            return None
        identity = (status.st_ino, status.st_size, status.st_mtime_ns)
        audio = _parse(data, compares=self._checked.get(path.name) != identity)
        if audio is None:
            logger.warning("%s is damaged and is made again", path)
            return None
        now = time.time_ns()
        if now - status.st_mtime_ns > _TOUCH_NANOSECONDS:
            with suppress(OSError):
                os.utime(path, ns=(now, now))  # its age decides when a clean-up removes it
                identity = (status.st_ino, status.st_size, now)
        if now - status.st_mtime_ns > _SETTLED_NANOSECONDS:
            if len(self._checked) >= _MOST_CHECKED:
                self._checked.clear()
            self._checked[path.name] = identity
        return audio

    def clean_up(self) -> None:
        """Remove the least recently used files until the folder is within its limit, and what dead processes left."""
        try:
            with FileLock(self.folder / "clean-up.lock", timeout=0):
                self._remove_abandoned()
                self._remove_oldest()
        except Timeout:
            return  # another process cleans up

    def _remove_abandoned(self) -> None:
        # A younger one may be renamed in the next moment by the process that writes it.
        newest = time.time() - _ABANDONED_SECONDS
        for written, _, path in self._files("??/.*.tmp"):
            if written < newest:
                path.unlink(missing_ok=True)

    def _remove_oldest(self) -> None:
        files = sorted(self._files("??/*.f32"))
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return
        for _, size, path in files:
            if total <= self.limit * _KEPT_SHARE:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _files(self, pattern: str) -> Iterator[tuple[float, int, Path]]:
        """Yield time of the last use, size in bytes and path of each file that is there."""
        for path in self.folder.glob(pattern):
            with suppress(FileNotFoundError):
                status = path.stat()
                yield status.st_mtime, status.st_size, path


def _map_file(file: IO[bytes]) -> mmap.mmap | bytes:
    """Map a file into memory. Until Python 3.13 each map holds a file descriptor."""
    if os.fstat(file.fileno()).st_size == 0:
        return b""  # it cannot be mapped
    options: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ, **options)


def _parse(data: mmap.mmap | bytes, *, compares: bool) -> Audio | None:
    """Return the samples of a file; None if they are not whole. compares: whether to compare their checksum."""
    if len(data) < _HEADER.size:
        return None
    magic, checksum, channels, frames = _HEADER.unpack_from(data)
    if magic != _MAGIC or len(data) != _HEADER.size + 4 * channels * frames:
        return None
    samples = np.frombuffer(data, "<f4", offset=_HEADER.size)
    if compares and zlib.crc32(samples.data) != checksum:
        return None
    return samples.reshape(channels, frames)


@cache
def _versions() -> tuple[str, ...]:
    """Return what the last bits depend on besides the loop: package versions and processor family."""
    packages = (f"{name} {version(name)}" for name in ("librosa", "numba", "numpy", "scipy", "soundfile", "soxr"))
    return (f"rmod output {OUTPUT_VERSION}", *packages, processor_family())
