"""A song, mono at the codec's rate, block by block: never all of it in memory.

song = song_of_file(Path("song.flac"))          # or song_of_array(audio, 48_000)
for block in mono_blocks(song, 44_100): ...     # [samples] float32, again from the beginning each time
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

ABOUT_ARRAY = "audio"
MOST_CHANNELS = 64
"""Of an array: one with more has its samples where its channels ought to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SongPart:
    """Where something lies in a song, in samples at the codec's rate."""

    start: int
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """Something to extract from."""

    about: str
    """What errors call it: the path of its file."""
    sample_rate: int
    channels: int
    seconds: float
    """By the header of its file: an estimate."""
    blocks: Callable[[], Iterator[NDArray[np.float32]]]
    """[frames, channels] at its own rate, from the beginning each time."""


def open_song(song: str | Path | NDArray[Any], sample_rate: int | None = None) -> Song:
    """Return a file or an array as a song. Raises UsageError for an array without a rate, and what the two below do."""
    if isinstance(song, str | Path):
        return song_of_file(Path(song).expanduser())
    if sample_rate is None:
        raise UsageError("sample_rate", "is missing; an array has no sample rate of its own", "give it in Hz")
    return song_of_array(song, sample_rate)


def song_of_file(path: Path) -> Song:
    """Return a file of any length, rate and number of channels. Raises AssetError and UsageError."""
    file = open_long_file(path)
    return Song(
        about=str(path),
        sample_rate=file.sample_rate,
        channels=file.channels,
        seconds=file.seconds,
        blocks=file.blocks,
    )


def song_of_array(audio: NDArray[Any], sample_rate: int) -> Song:
    """Return an array, floats [samples] or [channels, samples] with full scale at 1, as a song. Raises DoseError."""
    sound = np.atleast_2d(audio)
    if sound.ndim != 2 or not np.issubdtype(sound.dtype, np.floating) or not sound.size:
        found = f"{sound.dtype} {list(np.shape(audio))}, not floats [samples] or [channels, samples]"
        raise DoseError(ABOUT_ARRAY, found, "give floats with full scale at 1")
    if sound.shape[0] > MOST_CHANNELS:
        found = f"{sound.shape[0]} channels of {sound.shape[1]} samples: [samples, channels] it seems"
        raise DoseError(ABOUT_ARRAY, found, "transpose it: audio.T")
    if not np.isfinite(sound).all():
        raise DoseError(ABOUT_ARRAY, "NaN or infinite samples", "look at what made this audio")
    if sample_rate < 1:
        raise DoseError(ABOUT_ARRAY, f"a sample rate of {sample_rate} Hz", "give its rate in Hz, such as 44100")
    frames = sound.shape[1]

    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, frames, BLOCK):
            yield sound[:, start : start + BLOCK].T.astype(np.float32)

    return Song(
        about=ABOUT_ARRAY,
        sample_rate=sample_rate,
        channels=sound.shape[0],
        seconds=frames / sample_rate,
        blocks=blocks,
    )


def mono_blocks(song: Song, sample_rate: int) -> Iterator[Mono]:
    """Yield the mean of a song's channels at a rate: [samples] float32 each, of any length.

    Together they are what resampling the whole at once gives, bit for bit: nothing depends on where blocks end.
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
    """Return parts of a song at a rate, each in its full length: silence after the song's end.

    Only the parts are kept in memory, and nothing is read after the last.
    """
    made = {part: np.zeros(part.samples, np.float32) for part in parts}
    end = max((part.start + part.samples for part in made), default=0)
    at = 0
    for block in mono_blocks(song, sample_rate):
        for part, audio in made.items():
            first, last = max(part.start, at), min(part.start + part.samples, at + len(block))
            if first < last:
                audio[first - part.start : last - part.start] = block[first - at : last - at]
        at += len(block)
        if at >= end:
            break
    return made
