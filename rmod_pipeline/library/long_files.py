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
from rmod_pipeline.library.decoder_messages import name_decoder_messages
from rmod_pipeline.library.lengths import ByteSource, open_repaired
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

        Raises AssetError if the file cannot be decoded, holds NaN or infinite samples, or was cut.
        """
        with _open_sound_file(self.path) as file:
            frames = 0
            while len(block := file.read_block()):
                if not np.isfinite(block).all():
                    seconds = frames / self.sample_rate
                    raise AssetError(self.path, f"NaN or infinite samples after {seconds:.1f} s", "export it again")
                frames += len(block)
                yield block
            check_complete(file.sound, self.path, frames)


def open_long_file(path: Path) -> LongFile:
    """Read a file's header. Raises UsageError if there is no such file and AssetError if it is not audio."""
    require_file(path, _FORMATS_HINT)
    with _open_sound_file(path) as file:
        check_header(file.sound, path)
        rate, channels, frames = int(file.sound.samplerate), int(file.sound.channels), int(file.sound.frames)
    return LongFile(path=path, sample_rate=rate, channels=channels, seconds=frames / rate)


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenFile:
    """An open audio file."""

    path: Path
    source: ByteSource
    sound: Any
    """The file of soundfile."""

    def read_block(self) -> NDArray[np.float32]:
        """Return the next block [frames, channels], empty at the end. Raises AssetError."""
        import soundfile

        try:
            with name_decoder_messages(self.source, self.path):
                block: NDArray[np.float32] = self.sound.read(BLOCK, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError) as error:
            raise unreadable_error(error, self.path, self.source) from error
        return block


@contextmanager
def _open_sound_file(path: Path) -> Iterator[_OpenFile]:
    import soundfile

    descriptor = _open_descriptor(path)
    try:
        source = ByteSource.of_descriptor(descriptor)
        try:
            stream = open_repaired(source, path)
            with name_decoder_messages(source, path):
                # By file descriptor: with a Python file object, libsndfile prints tracebacks for damaged headers.
                sound = soundfile.SoundFile(stream or descriptor, closefd=False)
        except (soundfile.SoundFileError, RuntimeError, ValueError, OverflowError, TypeError) as error:
            raise unreadable_error(error, path, source) from error
        try:
            yield _OpenFile(path=path, source=source, sound=sound)
        finally:
            sound.close()
    finally:
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
