"""Rows of audio in memory that is used again, and channels, which are rows with a gain."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import LINE_FRAMES, SPARE_FRAMES, Audio, align, padded_frames
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    FLOAT_BYTES,
    LEVELS_BYTES,
    LINE_BYTES,
    SUM_BYTES,
    TRACK_BYTES,
)
from rmod_pipeline.effects.engines.fused.table import add_tracks, combine, measure, sum_windows

LARGEST = float(np.finfo(np.float32).max)


def make_row(frames: int) -> NDArray[np.float32]:
    """Return a row of float32 [padded frames] that begins at a cache line. It holds anything."""
    return align(np.empty(padded_frames(frames) + SPARE_FRAMES + LINE_FRAMES, np.float32), padded_frames(frames))


def make_zeros(floats: int) -> NDArray[np.float32]:
    """Return zeros that begin at a cache line."""
    return align(np.zeros(floats + LINE_FRAMES, np.float32), floats)


def _find_padded(channel: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return a channel with the silence that follows it in its memory; None if it is no row: see ``make_silence``."""
    memory, address, padded = channel.base, channel.ctypes.data, padded_frames(channel.size)
    if not isinstance(memory, np.ndarray) or memory.ndim != 1 or memory.dtype != np.float32:
        return None
    if address % LINE_BYTES or not channel.strides == memory.strides == (FLOAT_BYTES,):
        return None
    start = (address - memory.ctypes.data) // FLOAT_BYTES
    row: NDArray[np.float32] = memory[start : start + padded]
    return row if start + padded + SPARE_FRAMES <= memory.size and not row[channel.size :].any() else None


class RowPool:
    """Rows of one length. A row that nobody needs any more comes back by itself."""

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self.free: list[tuple[NDArray[np.float32], int]] = []
        """Rows and their addresses."""
        # These two do not refer to the pool as others do: in a circle, all would wait for the garbage collector.
        silence, waste, me = make_row(frames), make_row(frames), weakref.proxy(self)
        self.silence = Row(me, silence, silence.ctypes.data)
        self.waste = Row(me, waste, waste.ctypes.data)
        """What unused lanes write to."""
        self.silence.samples[:] = 0

    def take(self) -> Row:
        """Return a row that holds anything."""
        if self.free:
            return Row(self, *self.free.pop())
        samples = make_row(self.frames)
        return Row(self, samples, samples.ctypes.data)

    def hold(self, channel: NDArray[np.float32]) -> Row:
        """Return a row with a channel of audio [frames], and silence after it."""
        padded = _find_padded(channel)
        if padded is not None:
            return Row(self, padded, padded.ctypes.data, is_own=False)
        row = self.take()
        row.samples[: channel.size] = channel
        row.samples[channel.size :] = 0
        return row


class Row:
    """One row of a pool, with its levels."""

    __slots__ = ("_is_own", "address", "levels", "pool", "samples")

    def __init__(self, pool: RowPool, samples: NDArray[np.float32], address: int, *, is_own: bool = True) -> None:
        """Describe memory that comes back to the pool if ``is_own``, or that belongs to audio, which stays as it is."""
        self.pool, self.samples, self.address = pool, samples, address
        self._is_own = is_own
        self.levels: tuple[float, float] | None = None
        """Sum of squares and largest absolute frame; None before they are measured."""

    def __del__(self) -> None:
        if self._is_own:
            with suppress(ReferenceError):  # the pool is gone
                self.pool.free.append((self.samples, self.address))

    def _measure(self) -> tuple[float, float]:
        if self.levels is None:
            record = np.zeros(LEVELS_BYTES // 8)
            measure(self.address, self.pool.frames, record.ctypes.data)
            self.levels = float(record[0]), float(record[1])
        return self.levels

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


def make_audio(channels: int, pool: RowPool) -> Audio:
    """Return audio [channels, padded frames] that holds anything."""
    return np.empty((channels, padded_frames(pool.frames)), np.float32)


def mix_audio(parts: Sequence[Channels], pool: RowPool) -> Audio:
    """Return the sum of parts with equally many channels as audio [1 or 2, frames]."""
    audio = make_audio(len(parts[0]), pool)
    for index in range(len(audio)):
        add_channels([part[index] for part in parts], audio[index].ctypes.data, pool.frames)
    return audio[:, : pool.frames]


class TrackSum:
    """The sum of several parts with two channels each, and its levels."""

    def __init__(self, parts: Sequence[Channels], audio: Audio | None = None) -> None:
        """Describe the sum of ``parts``, which is written to ``audio`` [2, padded frames] if that is given."""
        self.parts, self.pool = parts, parts[0][0].row.pool
        self._audio = audio
        self.rows = np.array([[part[side].row.address for part in parts] for side in range(2)], np.int64)
        self.gains = np.array([[part[side].gain for part in parts] for side in range(2)], np.float32)
        self.records = np.zeros((2, TRACK_BYTES // 8), np.int64)
        for side, record in enumerate(self.records):
            result = 0 if audio is None else audio[side].ctypes.data
            record[:4] = self.rows[side].ctypes.data, self.gains[side].ctypes.data, len(parts), result
        self.levels: tuple[float, float] | None = None
        """Its peak and its RMS; None before they are measured. Only the sum of one part is measured later."""

    @property
    def audio(self) -> Audio | None:
        """The sum [2, frames], if it was kept."""
        return None if self._audio is None else self._audio[:, : self.pool.frames]

    def take_levels(self, record: NDArray[np.int64]) -> None:
        """Take the levels of both channels from the record that ``add_tracks`` has filled."""
        squares = record[:, 4].view(np.float64).sum()
        peaks = np.ascontiguousarray(record[:, 5:]).view(np.float32)
        self.levels = float(peaks.max()), math.sqrt(squares / (2 * self.pool.frames))

    def peak_and_rms(self) -> tuple[float, float]:
        """Return the peak and the RMS over both channels."""
        if self.levels is None:
            (channels,) = self.parts
            self.levels = max(channel.peak for channel in channels), find_rms(channels)
        return self.levels

    def mono_rms(self, starts: Sequence[int], frames: int) -> list[float]:
        """Return the RMS in mono of windows of ``frames`` frames, which end with the audio at the latest."""
        sums, last = np.zeros(len(starts)), self.pool.frames
        addresses = [record.ctypes.data for record in self.records]
        places = np.array(starts, np.int64)
        sum_windows(*addresses, places.ctypes.data, len(starts), frames, last, sums.ctypes.data)
        lengths = [min(start + frames, last) - start for start in starts]
        return [math.sqrt(total / length) if length > 0 else 0.0 for total, length in zip(sums, lengths, strict=True)]


def sum_all(tracks: Sequence[TrackSum], pool: RowPool) -> Channels:
    """Return the sum of tracks, and measure it and each of them."""
    left, right = pool.take(), pool.take()
    records, scratch = np.concatenate([track.records for track in tracks]), make_row(SUM_BYTES // FLOAT_BYTES)
    levels = np.zeros((2, LEVELS_BYTES // 8))
    places = [each.ctypes.data for each in (levels, scratch)]
    add_tracks(records.ctypes.data, len(tracks), left.address, right.address, pool.frames, *places)
    left.levels, right.levels = ((squares, highest) for squares, highest, *_ in levels.tolist())
    for index, track in enumerate(tracks):
        track.take_levels(records[2 * index : 2 * index + 2])
    return Channel(left), Channel(right)


_pools = threading.local()


def borrow_pool(frames: int) -> RowPool:
    """Return the pool of this thread for audio of ``frames`` frames; only the last length is kept."""
    pool: RowPool | None = getattr(_pools, "last", None)
    if pool is None or pool.frames != frames:
        pool = _pools.last = RowPool(frames)
    return pool
