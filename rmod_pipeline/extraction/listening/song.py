"""Read a song block by block, mono at the codec's rate, without holding all of it in memory.

song = open_song(Path("song.flac"))                     # or open_song(audio, 48_000)
for block in read_mono_blocks(song, 44_100): ...        # [samples] float32; each loop starts at the beginning
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import DoseError, UsageError
from rmod_pipeline.library.long_files import BLOCK, open_long_file
from rmod_pipeline.storage import parse_local_path

ABOUT_ARRAY = "audio"
MOST_CHANNELS = 64
"""An array with more channels is taken for one whose axes are swapped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongPart:
    """Start and length of a part of a song, in samples at the codec's rate."""

    start: int
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """A song that can be read in blocks, any number of times."""

    about: str
    """The name in error messages: the path of its file."""
    sample_rate: int
    channels: int
    seconds: float
    """Length according to the header of its file: an estimate."""
    blocks: Callable[[], Iterator[NDArray[np.float32]]]
    """Read the song from the beginning: blocks [frames, channels] at its own rate."""


def open_song(song: str | Path | NDArray[Any], sample_rate: int | None = None) -> Song:
    """Open a file or an array. Raises UsageError for an array without a sample rate, AssetError, DoseError."""
    if isinstance(song, str | Path):
        return song_from_file(parse_local_path(song))
    if sample_rate is None:
        raise UsageError("sample_rate", "is missing; an array has no sample rate of its own", "give it in Hz")
    return song_from_array(song, sample_rate)


def song_from_file(path: Path) -> Song:
    """Open a file of any length, rate and number of channels. Raises AssetError and UsageError."""
    file = open_long_file(path)
    return Song(
        about=str(path),
        sample_rate=file.sample_rate,
        channels=file.channels,
        seconds=file.seconds,
        blocks=file.blocks,
    )


def song_from_array(audio: NDArray[Any], sample_rate: int) -> Song:
    """Return an array as a song: floats [samples] or [channels, samples], full scale at 1. Raises DoseError."""
    samples = np.atleast_2d(audio)
    if samples.ndim != 2 or not np.issubdtype(samples.dtype, np.floating) or not samples.size:
        found = f"{samples.dtype} {list(np.shape(audio))}, not floats [samples] or [channels, samples]"
        raise DoseError(ABOUT_ARRAY, found, "give floats with full scale at 1")
    if samples.shape[0] > MOST_CHANNELS:
        found = f"{samples.shape[0]} channels of {samples.shape[1]} samples: probably [samples, channels]"
        raise DoseError(ABOUT_ARRAY, found, "transpose it: audio.T")
    if not np.isfinite(samples).all():
        raise DoseError(ABOUT_ARRAY, "NaN or infinite samples", "check what produced this audio")
    if sample_rate < 1:
        raise DoseError(ABOUT_ARRAY, f"a sample rate of {sample_rate} Hz", "give its rate in Hz, such as 44100")
    frames = samples.shape[1]

    def read_blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, frames, BLOCK):
            yield samples[:, start : start + BLOCK].T.astype(np.float32)

    return Song(
        about=ABOUT_ARRAY,
        sample_rate=sample_rate,
        channels=samples.shape[0],
        seconds=frames / sample_rate,
        blocks=read_blocks,
    )


def read_mono_blocks(song: Song, sample_rate: int) -> Iterator[Mono]:
    """Yield the mean of a song's channels, resampled: blocks [samples] float32 of any length.

    Joined, they equal the resampled whole bit for bit, wherever the song's blocks end.
    """
    means = (block.mean(axis=1, dtype=np.float32) for block in song.blocks())
    if song.sample_rate == sample_rate:
        yield from means
        return
    import soxr

    stream = soxr.ResampleStream(song.sample_rate, sample_rate, 1, dtype="float32", quality="HQ")
    for mean in means:
        yield stream.resample_chunk(mean)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def read_parts(song: Song, sample_rate: int, parts: Iterable[SongPart]) -> dict[SongPart, Mono]:
    """Return parts of a song at a sample rate, each in full length, with silence after the end of the song.

    Only the parts are kept in memory, and nothing after the last part is read.
    """
    audio_of = {part: np.zeros(part.samples, np.float32) for part in parts}
    end = max((part.start + part.samples for part in audio_of), default=0)
    position = 0
    for block in read_mono_blocks(song, sample_rate):
        for part, audio in audio_of.items():
            first, last = max(part.start, position), min(part.start + part.samples, position + len(block))
            if first < last:
                audio[first - part.start : last - part.start] = block[first - position : last - position]
        position += len(block)
        if position >= end:
            break
    return audio_of
