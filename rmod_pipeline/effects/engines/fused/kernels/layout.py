"""The layout of what kernels read and write. Imports no numba, which takes a process half a second."""

from __future__ import annotations

from rmod_pipeline.audio import LINE_FRAMES
from rmod_pipeline.effects.engines.fused.processor import has_wide_vectors

FLOAT_BYTES = 4
ADDRESS_BYTES = 8
LINE_BYTES = FLOAT_BYTES * LINE_FRAMES
"""Of a cache."""
VECTOR_FLOATS = 8
"""Floats of one row in a vector, on every processor: sums over a row are rounded in this order."""
VECTOR_BYTES = FLOAT_BYTES * VECTOR_FLOATS

LANES = 16 if has_wide_vectors() else 8
"""Rows side by side, of which a vector has a float each. More lanes are faster, and change no bit of a row."""
LANES_BYTES = FLOAT_BYTES * LANES
TABLE_BYTES = ADDRESS_BYTES * LANES
"""An address per lane."""
BLOCK_FRAMES = 2048 // LANES
"""Frames in lanes at a time: 8 KiB, so that they stay in the fastest cache."""

AT_ONCE = 4
"""Second-order sections in one pass: while one waits for its last result, the others compute."""

COMPRESSION_PARAMETERS = 5
"""Vectors of parameters of a compression: gain of the input, attack, release, threshold, power."""

SUM_FRAMES = 1024
"""Squares are summed in float32 over this many frames, and in float64 over the sums."""
SUM_BYTES = FLOAT_BYTES * SUM_FRAMES
LEVELS_BYTES = 64
"""Bytes of a record of the levels of a row: sum of squares, largest absolute frame, a gap, and a vector for the sum."""
TRACK_BYTES = 72
"""Bytes of a record of a channel, for ``add_tracks``."""

COMB_FRAMES = (1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617)
ALL_PASS_FRAMES = (556, 441, 341, 225)
SPREAD_FRAMES = 23
"""The delays of the right channel of a reverb are longer by this."""
REVERB_RATE = 44_100
"""The sample rate of these delays."""
REVERB_GAIN = 0.015
"""Gain of the input of a reverb."""
REVERB_BLOCK_FRAMES = 4096
REVERB_BLOCK_BYTES = LANES_BYTES * REVERB_BLOCK_FRAMES
RING_WORDS = 3
"""64-bit words of a ring's record: its address, its size and its position in bytes."""
RINGS = 2 * (len(COMB_FRAMES) + len(ALL_PASS_FRAMES))
REVERB_PARAMETERS = 7
"""Vectors: gains of both inputs, feedback, damping, one minus damping, gain of the own channel and of the other."""
LAST_BYTES = len(COMB_FRAMES) * LANES_BYTES
"""The last frames of the low-passes of a channel."""

FULL_SCALE = 32767.0
"""Of 16-bit samples."""


def list_delays(sample_rate: int) -> list[int]:
    """Return the delays of a reverb in frames: combs and all-passes of the left channel, then those of the right."""
    delays = (*COMB_FRAMES, *ALL_PASS_FRAMES)
    return [sample_rate * (delay + spread) // REVERB_RATE for spread in (0, SPREAD_FRAMES) for delay in delays]
