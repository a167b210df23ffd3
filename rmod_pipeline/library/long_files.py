"""Reading a long file: block by block, as often as is asked, so that three hours take no more memory than one."""

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
from rmod_pipeline.library.read import check_header, check_whole, not_readable
from rmod_pipeline.storage.folders import require_file

BLOCK = 1 << 16
"""Frames that are read at once."""

GIVE = "give a WAV, FLAC, AIFF, OGG or MP3 file"


@dataclass(frozen=True, slots=True, kw_only=True)
class LongFile:
    """An audio file of any length."""

    path: Path
    sample_rate: int
    channels: int
    seconds: float
    """By its header; of an MP3 it may be an estimate."""

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield [frames, channels], each as the file has it, from its beginning to its end.

        Raises AssetError for what cannot be decoded, holds NaN or infinite samples, or ends before its header says.
        """
        with _opened(self.path) as file:
            frames = 0
            while len(block := _read(file, self.path)):
                if not np.isfinite(block).all():
                    at = frames / self.sample_rate
                    raise AssetError(self.path, f"NaN or infinite samples after {at:.1f} s", "export it again")
                frames += len(block)
                yield block
            check_whole(file, self.path, frames)


def open_long(path: Path) -> LongFile:
    """Look at a file's header. Raises AssetError for what is no audio, UsageError if there is no such file."""
    require_file(path, GIVE)
    with _opened(path) as file:
        check_header(file, path)
        rate, channels, frames = int(file.samplerate), int(file.channels), int(file.frames)
    return LongFile(path=path, sample_rate=rate, channels=channels, seconds=frames / rate)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import soundfile

    handle = _handle(path)
    try:
        # By its number, because of a Python file libsndfile would print tracebacks where a header is damaged.
        file = soundfile.SoundFile(handle, closefd=False)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError, TypeError) as error:
        os.close(handle)
        raise not_readable(error, path) from error
    try:
        yield file
    finally:
        file.close()
        os.close(handle)


def _handle(path: Path) -> int:
    try:
        # Opened without waiting: a pipe by that name would otherwise hang for ever.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        found = f"cannot be read: {error.strerror or error}"
        raise AssetError(path, found, "check the file's permissions") from error
    status = os.fstat(handle)
    wrong = "not an ordinary file" if not stat.S_ISREG(status.st_mode) else "an empty file"
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(handle)
        raise AssetError(path, wrong, GIVE)
    return handle


def _read(file: Any, path: Path) -> NDArray[np.float32]:
    import soundfile

    try:
        block: NDArray[np.float32] = file.read(BLOCK, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
        raise not_readable(error, path) from error
    return block
