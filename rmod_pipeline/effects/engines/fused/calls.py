"""Call the kernels on any number of rows: tables of addresses and parameters for all lanes at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import LINE_FRAMES, align, padded_frames
from rmod_pipeline.effects.engines.fused import table
from rmod_pipeline.effects.engines.fused.kernels.layout import (
    AT_ONCE,
    BLOCK_FRAMES,
    COMPRESSION_PARAMETERS,
    FLOAT_BYTES,
    LANES,
    LAST_BYTES,
    LEVELS_BYTES,
    REVERB_BLOCK_BYTES,
    REVERB_GAIN,
    REVERB_PARAMETERS,
    RING_WORDS,
    RINGS,
    list_delays,
)
from rmod_pipeline.effects.engines.fused.machine_code import Kernel
from rmod_pipeline.effects.engines.fused.rows import Channel, Channels, Row, RowPool, make_zeros
from rmod_pipeline.effects.engines.fused.steps import (
    Compression,
    Echoing,
    Filtering,
    Limiting,
    Reverberation,
    Section,
)

_IDENTITY = Section(1.0, 0.0, 0.0, 0.0, 0.0)
_BLOCK = BLOCK_FRAMES * LANES
"""Floats of a block of rows, one per lane."""
_ADDRESSES = LANES * 2
"""Floats that take the space of an address per lane."""
_ROOM = _BLOCK + _ADDRESSES
"""Floats of a block of rows, and of their addresses."""


def filter_all(
    channels: Sequence[Channel], steps: Sequence[Filtering], outputs: Sequence[Row], pool: RowPool, *, measures: bool
) -> Sequence[Row]:
    """Write each channel, with its gain, after its sections to its output, which may be its own row."""
    single = [index for index, step in enumerate(steps) if len(step.sections) == 1]
    several = [index for index, step in enumerate(steps) if len(step.sections) != 1]
    for group in _groups(single, 2 * LANES):
        numbers, gains = _list_sections(channels, steps, group, 1)
        scratch = make_zeros(2 * _BLOCK)
        places = [each.ctypes.data for each in (gains, numbers, scratch)]
        _run(table.filter_rows_once, channels, outputs, group, pool, measures, *places)
    for group in _groups(several, LANES):
        most = max(len(steps[index].sections) for index in group)
        count = -(-most // AT_ONCE) * AT_ONCE
        numbers, gains = _list_sections(channels, steps, group, count)
        scratch = make_zeros(count * 2 * LANES + _BLOCK)
        places = [each.ctypes.data for each in (gains, numbers)]
        _run(table.filter_rows, channels, outputs, group, pool, measures, *places, count, scratch.ctypes.data)
    return outputs


def _list_sections(
    channels: Sequence[Channel], steps: Sequence[Filtering], group: Sequence[int], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a group's sections [halves * count, 5, LANES] and gains [halves, LANES]; the others change nothing."""
    halves = 2 if count == 1 else 1
    gains, numbers = np.ones((halves, LANES), np.float32), np.zeros((halves * count, 5, LANES), np.float32)
    numbers[:, 0] = _IDENTITY.b0
    for position, index in enumerate(group):
        half, place = divmod(position, LANES)
        gains[half, place] = channels[index].gain
        for number, section in enumerate(steps[index].sections):
            values = (section.b0, section.b1, section.b2, section.a1, section.a2)
            numbers[half * count + number, :, place] = values
    return numbers, gains


def compress_all(
    channels: Sequence[Channel], steps: Sequence[Compression], outputs: Sequence[Row], pool: RowPool, *, measures: bool
) -> Sequence[Row]:
    """Write each channel, with its gain, after its compression to its output, which may be its own row."""
    for group in _groups(range(len(channels)), 2 * LANES):
        numbers = _idle(2)
        for position, index in enumerate(group):
            half, place = divmod(position, LANES)
            numbers[half, :, place] = _describe(channels[index].gain, steps[index])
        scratch = make_zeros(2 * LANES + 2 * _BLOCK + _ROOM)
        _point_at_rows(scratch, 2 * LANES + 3 * _BLOCK, 2 * LANES + 2 * _BLOCK)
        places = [each.ctypes.data for each in (numbers, scratch)]
        _run(table.compress_rows, channels, outputs, group, pool, measures, *places)
    return outputs


def limit_all(
    channels: Sequence[Channel], steps: Sequence[Limiting], outputs: Sequence[Row], pool: RowPool, *, measures: bool
) -> Sequence[Row]:
    """Write each channel, with its gain, after its limiter to its output, which may be its own row."""
    for group in _groups(range(len(channels)), LANES):
        gains, numbers = np.zeros(LANES, np.float32), _idle(2)
        for place, index in enumerate(group):
            step = steps[index]
            numbers[0, :, place] = _describe(channels[index].gain, step.first)
            numbers[1, :, place] = _describe(1.0, step.second)
            gains[place] = step.gain
        parameters = np.concatenate([numbers.reshape(-1), gains])
        between = 2 * LANES + 2 * _BLOCK + _ROOM
        scratch = make_zeros(between + _ROOM)
        _point_at_rows(scratch, between - _ADDRESSES, between - _ROOM)
        _point_at_rows(scratch, between + _BLOCK, between)
        _run(table.limit_rows, channels, outputs, group, pool, measures, parameters.ctypes.data, scratch.ctypes.data)
    return outputs


def echo_row(row: Row, step: Echoing, pool: RowPool) -> Row:
    """Return the echoes of a row."""
    output = pool.take()
    frames = padded_frames(pool.frames)
    table.echo(row.address, output.address, frames, min(step.frames, frames), step.feedback)
    return output


def reverberate_all(
    sounds: Sequence[Channels], steps: Sequence[Reverberation], pool: RowPool, sample_rate: int
) -> list[tuple[Row, Row]]:
    """Return the reverb of each sound of two channels."""
    outputs = [(pool.take(), pool.take()) for _ in sounds]
    delays = list_delays(sample_rate)
    memory = _borrow_memory(sum(delays) * LANES)
    rings = np.zeros((RINGS, RING_WORDS), np.int64)
    starts = np.cumsum([0, *delays[:-1]]) * LANES * FLOAT_BYTES
    rings[:, 0], rings[:, 1] = memory.ctypes.data + starts, np.array(delays) * LANES * FLOAT_BYTES
    scratch = make_zeros((2 * LAST_BYTES + 3 * REVERB_BLOCK_BYTES) // FLOAT_BYTES + 2 * _BLOCK)
    for group in _groups(range(len(sounds)), LANES):
        memory[:] = 0
        scratch[: 2 * LAST_BYTES // FLOAT_BYTES] = 0
        rings[:, 2] = 0
        numbers = np.zeros((REVERB_PARAMETERS, LANES), np.float32)
        for place, index in enumerate(group):
            step, (left, right) = steps[index], sounds[index]
            numbers[:2, place] = REVERB_GAIN * left.gain, REVERB_GAIN * right.gain
            numbers[2:, place] = step.feedback, step.damping, 0, step.direct, step.crossed
        numbers[4] = np.float32(1) - numbers[3]
        tables = [_list_addresses([sounds[index][side].row for index in group], pool.silence) for side in range(2)] + [
            _list_addresses([outputs[index][side] for index in group], pool.waste) for side in range(2)
        ]
        table.reverberate_rows(
            *(table.ctypes.data for table in tables),
            len(group),
            padded_frames(pool.frames),
            numbers.ctypes.data,
            rings.ctypes.data,
            scratch.ctypes.data,
        )
    return outputs


_memory = threading.local()


def _borrow_memory(floats: int) -> NDArray[np.float32]:
    """Return memory for rings that this thread uses again and again; it holds anything."""
    last: NDArray[np.float32] | None = getattr(_memory, "last", None)
    if last is None or last.size != floats:
        last = _memory.last = align(np.empty(floats + LINE_FRAMES, np.float32), floats)
    return last


def _groups(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield ``size`` indices at a time."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _run(
    kernel: Kernel,
    channels: Sequence[Channel],
    outputs: Sequence[Row],
    group: Sequence[int],
    pool: RowPool,
    measures: bool,
    *rest: int,
) -> None:
    """Call a kernel with the inputs and outputs of a group, and with what is special to it.

    If the outputs will be measured, it measures each block while that is in the cache, which is faster than later.
    """
    # Both tables must exist while the kernel reads them.
    sources = _list_addresses([channels[index].row for index in group], pool.silence)
    results = _list_addresses([outputs[index] for index in group], pool.waste)
    levels = np.zeros((2 * LANES, LEVELS_BYTES // 8))
    place = levels.ctypes.data if measures else 0
    places = sources.ctypes.data, results.ctypes.data
    kernel(*places, len(group), padded_frames(pool.frames), pool.frames, place, *rest)
    for index, record in zip(group, levels.tolist(), strict=False):
        outputs[index].levels = (record[0], record[1]) if measures else None


def _list_addresses(rows: Sequence[Row], spare: Row) -> NDArray[np.int64]:
    """Return the addresses of rows, then those of a spare row in the other lanes. A kernel reads the array."""
    addresses = np.full(2 * LANES, spare.address, np.int64)
    addresses[: len(rows)] = [row.address for row in rows]
    return addresses


def _idle(compressions: int) -> NDArray[np.float32]:
    """Return parameters [compressions, PARAMETERS, LANES] with which lanes do nothing."""
    numbers = np.zeros((compressions, COMPRESSION_PARAMETERS, LANES), np.float32)
    numbers[:, 3] = np.inf  # thresholds
    return numbers


def _describe(gain: float, step: Compression) -> tuple[float, ...]:
    """Return the parameters of one lane: gain of the input, attack, release, threshold, exponent."""
    return gain, step.attack, step.release, step.threshold, step.exponent


def _point_at_rows(scratch: NDArray[np.float32], at: int, block: int) -> None:
    """Write the addresses of the rows of a block into scratch; both places are in floats."""
    start = scratch.ctypes.data + 4 * block
    addresses = np.array([start + 4 * BLOCK_FRAMES * row for row in range(LANES)], np.int64)
    scratch[at : at + _ADDRESSES] = addresses.view(np.float32)
