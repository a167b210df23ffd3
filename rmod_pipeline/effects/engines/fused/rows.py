"""Rows of audio in memory that is used again, and channels, which are rows with a gain."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio
from rmod_pipeline.effects.engines.fused.mixing import combine, measure

FRAMES_STEP = 1024
"""Rows are padded to a multiple of this: the longest block of a kernel."""
_ALIGNMENT_BYTES = 64
LARGEST = float(np.finfo(np.float32).max)


def padded_frames(frames: int) -> int:
    """Return the frames of a row that holds ``frames`` frames of audio."""
    return -(-frames // FRAMES_STEP) * FRAMES_STEP


def make_row(frames: int) -> NDArray[np.float32]:
    """Return a row of float32 [padded frames] that begins at a cache line. It holds anything."""
    spare = _ALIGNMENT_BYTES // 4
    memory = np.empty(padded_frames(frames) + spare, np.float32)
    offset = -memory.ctypes.data % _ALIGNMENT_BYTES // 4
    return memory[offset : offset + padded_frames(frames)]


class RowPool:
    """Rows of one length. A row that nobody needs any more comes back by itself."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.free: list[NDArray[np.float32]] = []
        self.silence = self.take()
        self.silence.samples[:] = 0
        self.waste = self.take()
        """What unused lanes write to."""

    def take(self) -> Row:
        """Return a row that holds anything."""
        return Row(self, self.free.pop() if self.free else make_row(self.frames))

    def hold(self, channel: NDArray[np.float32]) -> Row:
        """Return a row with a channel of audio [frames], and silence after it."""
        row = self.take()
        row.samples[: channel.size] = channel
        row.samples[channel.size :] = 0
        return row


class Row:
    """One row of a pool, with its levels."""

    __slots__ = ("_levels", "address", "pool", "samples")

    def __init__(self, pool: RowPool, samples: NDArray[np.float32]) -> None:
        self.pool, self.samples = pool, samples
        self.address = samples.ctypes.data
        self._levels: tuple[float, float] | None = None

    def __del__(self) -> None:
        self.pool.free.append(self.samples)

    def _measure(self) -> tuple[float, float]:
        if self._levels is None:
            self._levels = measure(self.address, self.pool.frames)
        return self._levels

    @property
    def squares(self) -> float:
        """Sum of squares."""
        return self._measure()[0]

    @property
    def peak(self) -> float:
        """Largest absolute frame."""
        return self._measure()[1]


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of audio: a row times a gain. Two channels of panned mono share their row."""

    row: Row
    gain: float = 1.0

    def times(self, gain: float) -> Channel:
        """Return the channel at another gain; one that float32 cannot hold is infinite, as in a row."""
        product = self.gain * gain
        return Channel(self.row, product if abs(product) <= LARGEST else math.copysign(math.inf, product))

    @property
    def peak(self) -> float:
        """Largest absolute frame."""
        return abs(self.gain) * self.row.peak


Channels = tuple[Channel, ...]
"""One channel or two."""


def find_rms(channels: Channels) -> float:
    """Return the root mean square over channels and frames; 0 for silence."""
    squares = sum(channel.gain * channel.gain * channel.row.squares for channel in channels)
    return math.sqrt(squares / (len(channels) * channels[0].row.pool.frames))


def make_channels(audio: Audio, pool: RowPool) -> Channels:
    """Return the channels of audio [1 or 2, frames]."""
    return tuple(Channel(pool.hold(channel)) for channel in audio)


def in_stereo(channels: Channels) -> Channels:
    """Return two channels; those of mono share the row."""
    return channels if len(channels) > 1 else channels * 2


def add_channels(channels: Sequence[Channel], to: int, frames: int) -> None:
    """Write the sum of channels to the row at an address."""
    rows = np.array([channel.row.address for channel in channels], np.int64)
    gains = np.array([channel.gain for channel in channels], np.float32)
    combine(rows.ctypes.data, gains.ctypes.data, len(channels), to, padded_frames(frames))


def mix_audio(parts: Sequence[Channels], pool: RowPool) -> Audio:
    """Return the sum of parts with equally many channels as audio [1 or 2, frames]."""
    audio = np.empty((len(parts[0]), padded_frames(pool.frames)), np.float32)
    for index in range(len(audio)):
        add_channels([part[index] for part in parts], audio[index].ctypes.data, pool.frames)
    return audio[:, : pool.frames]


_pools = threading.local()


def borrow_pool(frames: int) -> RowPool:
    """Return the pool of this thread for audio of ``frames`` frames; only the last length is kept."""
    pool: RowPool | None = getattr(_pools, "last", None)
    if pool is None or pool.frames != frames:
        pool = _pools.last = RowPool(frames)
    return pool
