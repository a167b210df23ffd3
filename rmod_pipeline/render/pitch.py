"""Shift a loop in pitch, each (sound, semitones) once, kept in a folder that several processes share.

A shift costs tens of milliseconds and comes again and again: with the paper's library and ranges there are 61,463, each
used some 46 times in a million pairs. The folder is content-addressed: a file's name is the hash of all that its audio
depends on, so nothing in it is ever stale, and who writes second writes the same bytes. Files are renamed into place
whole and carry a checksum; whatever cannot be read is computed again. Over the size limit, the files unused for longest
go.
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
from rmod_pipeline.audio import Audio, processor
from rmod_pipeline.storage.folders import cache_folder

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 4 * 2**30
"""Bytes kept on disk: about 3,000 loops of 8 s in mono."""

_KEEP = 0.8
"""Share of the limit that is left after a clean-up, so that the next one is not at once."""

_CHECKSUM_BYTES = 4


def shift_pitch(loop: Audio, semitones: int, sample_rate: int) -> Audio:
    """Return a loop [channels, frames] as long, shifted by whole semitones (librosa's phase vocoder)."""
    if semitones == 0:
        return loop
    import librosa

    shifted = librosa.effects.pitch_shift(y=loop, sr=sample_rate, n_steps=semitones, res_type="soxr_hq")
    return np.ascontiguousarray(shifted, dtype=np.float32)


def pitch_folder() -> Path:
    """Return where shifted loops are kept: in the user's cache, or under RMOD_CACHE."""
    return cache_folder() / "pitch"


@dataclass(frozen=True, slots=True)
class PitchCache:
    """A folder of shifted loops with a size limit in bytes."""

    folder: Path
    limit: int = DEFAULT_LIMIT

    def shifted(self, loop: Callable[[], Audio], source: str, semitones: int, sample_rate: int) -> Audio:
        """Return the shifted loop, from the folder or computed; ``source`` names what ``loop`` returns.

        A folder that cannot be written costs time, not data: the audio is the same with and without it.
        """
        path = self._path(source, semitones, sample_rate)
        kept = _load(path)
        if kept is not None:
            return kept
        audio = shift_pitch(loop(), semitones, sample_rate)
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
        temporary = path.with_name(f".{uuid4().hex}.tmp")
        try:
            temporary.write_bytes(zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little") + content)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        # Looking through the folder costs milliseconds: every 64th new file, told by its name, is often enough.
        if path.name[0] in "0123" and path.name[1] == "0":
            self.clean_up()

    def clean_up(self) -> None:
        """Remove the files unused for longest until the folder is within its limit."""
        try:
            with FileLock(self.folder / "clean-up.lock", timeout=0):
                self._remove_oldest()
        except Timeout:
            return  # another process is at it

    def _remove_oldest(self) -> None:
        files = sorted(self._files())
        total = sum(size for _, size, _ in files)
        if total <= self.limit:
            return
        for _, size, path in files:
            if total <= self.limit * _KEEP:
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
    # An empty file, as a crash leaves behind, has the checksum 0 of nothing.
    if not content or zlib.crc32(content) != int.from_bytes(data[:_CHECKSUM_BYTES], "little"):
        logger.warning("pitch cache: %s is damaged and is made again", path)
        return None
    with suppress(OSError):
        os.utime(path)  # what is used last goes last
    return np.load(io.BytesIO(content), allow_pickle=False)


@cache
def _versions() -> tuple[str, ...]:
    """Return all that decides the last bits besides the loop itself: the code, and the family of the processor."""
    packages = (f"{name} {version(name)}" for name in ("librosa", "numba", "numpy", "scipy", "soundfile", "soxr"))
    return (f"rmod output {OUTPUT_VERSION}", *packages, processor())
