"""Read long audio files block by block, so that memory use does not depend on their length."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.read import check_complete, check_header, unreadable_error
from rmod_pipeline.storage.folders import require_file

BLOCK = 1 << 16
"""Frames per block."""

_FORMATS_HINT = "give a WAV, FLAC, AIFF, OGG or MP3 file"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFile:
    """An audio file of any length."""

    path: Path
    sample_rate: int
    channels: int
    seconds: float
    """Duration according to the header; an estimate for some MP3 files."""

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the samples as blocks [frames, channels], from the beginning of the file to its end.

        Raises AssetError if the file cannot be decoded, holds NaN or infinite samples, or ends before the length that
        its header states.
        """
        with _open_sound_file(self.path) as file:
            frames = 0
            while len(block := _read_block(file, self.path)):
                if not np.isfinite(block).all():
                    seconds = frames / self.sample_rate
                    raise AssetError(self.path, f"NaN or infinite samples after {seconds:.1f} s", "export it again")
                frames += len(block)
                yield block
            check_complete(file, self.path, frames)


def open_long_file(path: Path) -> LongFile:
    """Read a file's header. Raises UsageError if there is no such file and AssetError if it is not audio."""
    require_file(path, _FORMATS_HINT)
    with _open_sound_file(path) as file:
        check_header(file, path)
        rate, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
    return LongFile(path=path, sample_rate=rate, channels=channels, seconds=frames / rate)


@contextmanager
def _open_sound_file(path: Path) -> Iterator[Any]:
    import soundfile

    descriptor = _open_descriptor(path)
    try:
        # By file descriptor: with a Python file object, libsndfile prints tracebacks for damaged headers.
        file = soundfile.SoundFile(descriptor, closefd=False)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError, TypeError) as error:
        os.close(descriptor)
        raise unreadable_error(error, path) from error
    try:
        yield file
    finally:
        file.close()
        os.close(descriptor)


def _open_descriptor(path: Path) -> int:
    """Open a regular, non-empty file and return its descriptor. Raises AssetError for anything else."""
    try:
        # Non-blocking: opening a named pipe would otherwise wait forever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise AssetError(path, found, "check the file's permissions") from error
    status = os.fstat(descriptor)
    is_regular = stat.S_ISREG(status.st_mode)
    if not is_regular or status.st_size == 0:
        os.close(descriptor)
        raise AssetError(path, "an empty file" if is_regular else "not a regular file", _FORMATS_HINT)
    return descriptor


def _read_block(file: Any, path: Path) -> NDArray[np.float32]:
    import soundfile

    try:
        block: NDArray[np.float32] = file.read(BLOCK, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        raise unreadable_error(error, path) from error
    return block
