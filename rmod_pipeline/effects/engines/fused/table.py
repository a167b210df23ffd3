"""The kernels: the module of ``kernels/`` in which each is written, and the types of its arguments.

Imports no numba: a process that finds them compiled has no need of it.
"""

from __future__ import annotations

from rmod_pipeline.effects.engines.fused.machine_code import Kernel

filter_rows_once = Kernel("sections", "filter_rows_once", "iiiiiiiii")
filter_rows = Kernel("sections", "filter_rows", "iiiiiiiiii")
reverberate_rows = Kernel("reverb", "reverberate_rows", "iiiiiiiii")
compress_rows = Kernel("dynamics", "compress_rows", "iiiiiiii")
limit_rows = Kernel("dynamics", "limit_rows", "iiiiiiii")
sum_weighted = Kernel("loudness", "sum_weighted", "iiiiiii")
combine = Kernel("mixing", "combine", "iiiii")
echo = Kernel("mixing", "echo", "iiiif")
measure = Kernel("mixing", "measure", "iii")
add_tracks = Kernel("mixing", "add_tracks", "iiiiiii")
sum_windows = Kernel("mixing", "sum_windows", "iiiiiii")
to_shorts = Kernel("samples", "to_shorts", "ifiii")
measure_shorts = Kernel("samples", "measure_shorts", "iiii")

KERNELS = (
    filter_rows_once,
    filter_rows,
    reverberate_rows,
    compress_rows,
    limit_rows,
    sum_weighted,
    combine,
    echo,
    measure,
    add_tracks,
    sum_windows,
    to_shorts,
    measure_shorts,
)
"""Module by module, in an order that divides the work of compiling evenly between two processes."""
