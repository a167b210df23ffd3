"""Move rows of audio into lanes and back: eight rows of frames become frames of eight lanes.

A recurrence works on one row, frame by frame. Eight rows side by side fill a vector, which costs as much as one row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rmod_pipeline.effects.engines.fused.kernels.functions import helper, inlined
from rmod_pipeline.effects.engines.fused.kernels.layout import VECTOR_BYTES
from rmod_pipeline.effects.engines.fused.kernels.vectors import load, load_address, store, transpose

ZERO, ONE = np.int64(0), np.int64(1)
"""For a plain number as an argument, numba compiles another version of the function that gets it."""


@inlined
def store_columns(to: Any, columns: Any) -> None:
    """Write eight vectors one after the other."""
    store(to, columns[0])
    store(to + 32, columns[1])
    store(to + 64, columns[2])
    store(to + 96, columns[3])
    store(to + 128, columns[4])
    store(to + 160, columns[5])
    store(to + 192, columns[6])
    store(to + 224, columns[7])


@helper
def to_lanes(rows: Any, start: Any, frames: Any, lanes: Any) -> None:
    """Write frames [start, start + frames) of eight rows to ``lanes`` [frames, 8]; both divide by 8.

    rows: the address of eight addresses.
    """
    for frame in range(0, frames, 8):
        at = (start + frame) * 4
        columns = transpose(
            (
                load(load_address(rows) + at),
                load(load_address(rows + 8) + at),
                load(load_address(rows + 16) + at),
                load(load_address(rows + 24) + at),
                load(load_address(rows + 32) + at),
                load(load_address(rows + 40) + at),
                load(load_address(rows + 48) + at),
                load(load_address(rows + 56) + at),
            )
        )
        store_columns(lanes + frame * VECTOR_BYTES, columns)


@helper
def from_lanes(lanes: Any, rows: Any, start: Any, frames: Any) -> None:
    """Write ``lanes`` [frames, 8] to frames [start, start + frames) of eight rows; the inverse of ``to_lanes``."""
    for frame in range(0, frames, 8):
        source = lanes + frame * VECTOR_BYTES
        columns = transpose(
            (
                load(source),
                load(source + 32),
                load(source + 64),
                load(source + 96),
                load(source + 128),
                load(source + 160),
                load(source + 192),
                load(source + 224),
            )
        )
        at = (start + frame) * 4
        store(load_address(rows) + at, columns[0])
        store(load_address(rows + 8) + at, columns[1])
        store(load_address(rows + 16) + at, columns[2])
        store(load_address(rows + 24) + at, columns[3])
        store(load_address(rows + 32) + at, columns[4])
        store(load_address(rows + 40) + at, columns[5])
        store(load_address(rows + 48) + at, columns[6])
        store(load_address(rows + 56) + at, columns[7])
