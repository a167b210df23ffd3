"""Shift loops in pitch, and keep the results in a cache folder that several processes share.

A shift takes tens of milliseconds and recurs often: the paper's library and ranges give 61,463 different shifts, and a
million pairs use each about 46 times. The folder is content-addressed: the name of a file is the hash of everything
that its audio depends on. So a file is never stale, and a second writer writes the same bytes. Each file is renamed
into its final name and has a checksum; an unreadable file is computed again. Above the size limit, the least recently
used files are removed.
"""

from __future__ import annotations

import io
import logging
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
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

_CHECKSUM_BYTES = 4


def shift_pitch(loop: Audio, semitones: int, sample_rate: int) -> Audio:
    """Return a loop [channels, frames] shifted by whole semitones, with the same length (librosa's phase vocoder)."""
    if semitones == 0:
        return loop
    import librosa

    shifted = librosa.effects.pitch_shift(y=loop, sr=sample_rate, n_steps=semitones, res_type="soxr_hq")
    return np.ascontiguousarray(shifted, dtype=np.float32)


def pitch_folder() -> Path:
    """Return the folder of shifted loops: in the user's cache, or under RMOD_CACHE."""
    return cache_folder() / "pitch"


@dataclass(frozen=True, slots=True)
class PitchCache:
    """A cache folder of shifted loops."""

    folder: Path
    limit: int = DEFAULT_LIMIT
    """Bytes."""

    def shift(self, read_loop: Callable[[], Audio], source: str, semitones: int, sample_rate: int) -> Audio:
        """Return a shifted loop [channels, frames], from the folder or computed; ``source`` identifies the loop.

        If the folder cannot be written, a warning is logged; the audio is the same.
        """
        path = self._path(source, semitones, sample_rate)
        cached = _load(path)
        if cached is not None:
            return cached
        audio = shift_pitch(read_loop(), semitones, sample_rate)
        try:
            self._store(path, audio)
        except OSError as error:
            logger.warning("pitch cache %s cannot be written: %s", self.folder, error)
        return audio

    def _path(self, source: str, semitones: int, sample_rate: int) -> Path:
        name = sha256("\0".join([source, str(semitones), str(sample_rate), *_versions()]).encode()).hexdigest()
        return self.folder / name[:2] / f"{name[2:]}.npy"

    def _store(self, path: Path, audio: Audio) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = io.BytesIO()
        np.save(stream, audio, allow_pickle=False)
        content = stream.getvalue()
        with temporary_file(path.with_name(f".{uuid4().hex}.tmp")) as temporary:
            temporary.write_bytes(zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") + content)
            temporary.replace(path)
        # A clean-up lists the folder, which takes milliseconds. Names are hashes, so this runs for every 64th new file.
        if path.name[0] in "0123" and path.name[1] == "0":
            self.clean_up()

    def clean_up(self) -> None:
        """Remove the least recently used files until the folder is within its limit."""
        try:
            with FileLock(self.folder / "clean-up.lock", timeout=0):
                self._remove_oldest()
        except Timeout:
            return  # another process cleans up

    def _remove_oldest(self) -> None:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return
        for _, size, path in files:
            if total <= self.limit * _KEPT_SHARE:
                break
            path.unlink(missing_ok=True)
            total -= size

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        for pattern in ("??/*.npy", "??/.*.tmp"):
            for path in self.folder.glob(pattern):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    yield status.st_mtime, status.st_size, path


def _load(path: Path) -> Audio | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    content = data[_CHECKSUM_BYTES:]
    # A crash can leave an empty file, whose checksum would be right: that of no bytes is 0.
    if not content or zlib.crc32(content) != int.from_bytes(data[:_CHECKSUM_BYTES], "little"):
        logger.warning("pitch cache: %s is damaged and is computed again", path)
        return None
    with suppress(OSError):
        os.utime(path)  # its age decides when a clean-up removes it
    audio: Audio = np.load(io.BytesIO(content), allow_pickle=False)
    return audio


@cache
def _versions() -> tuple[str, ...]:
    """Return what the last bits depend on besides the loop: package versions and processor family."""
    packages = (f"{name} {version(name)}" for name in ("librosa", "numba", "numpy", "scipy", "soundfile", "soxr"))
    return (f"rmod output {OUTPUT_VERSION}", *packages, processor_family())
