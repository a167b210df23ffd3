"""Compile or load every kernel before the first pair needs one."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np

from rmod_pipeline.effects.engines.fused import calls, levels
from rmod_pipeline.effects.engines.fused.compiled import (
    is_compiled,
    is_kept,
    keep_no_more,
    remove_compiled,
    remove_old,
)
from rmod_pipeline.effects.engines.fused.kernels.sections import AT_ONCE
from rmod_pipeline.effects.engines.fused.rows import (
    Channel,
    RowPool,
    TrackSum,
    find_rms,
    make_channels,
    mix_audio,
    sum_all,
)
from rmod_pipeline.effects.engines.fused.steps import (
    Compression,
    Echoing,
    Filtering,
    Limiting,
    Reverberation,
    Section,
)

logger = logging.getLogger(__name__)

RATE, FRAMES = 44_100, 22_050


@cache
def compile_kernels() -> None:
    """Call every kernel once. Where they have to be compiled, say so: it takes a quarter of a minute."""
    if not is_compiled():
        often = "once per machine" if is_kept() else "in each process"
        logger.warning("compiling the fused engine, which takes some 15 s, %s", often)
        if is_kept():
            remove_old()
    try:
        _call_all()
    except Exception as error:  # noqa: BLE001 (numba raises whatever reading a damaged file raises)
        logger.warning("the compiled kernels cannot be used and are compiled again: %r", error)
        remove_compiled()
        _compile_again()


def _compile_again() -> None:
    """Call every kernel once more; without keeping them, if the disk is what fails."""
    try:
        _call_all()
    except OSError as error:
        logger.warning("the compiled kernels cannot be kept, so every process compiles them: %s", error)
        keep_no_more()
        _call_all()


def _call_all() -> None:
    pool = RowPool(FRAMES)
    audio = np.linspace(-1, 1, 2 * FRAMES, dtype=np.float32).reshape(2, FRAMES)
    channels = make_channels(audio, pool)
    section, compression = Section(1, 0, 0, 0, 0), Compression(0.5, -0.5, 0.9, 0.9)
    find_rms(channels)
    for count in (1, AT_ONCE):
        calls.filter_all(channels[:1], [Filtering((section,) * count)], pool)
    calls.compress_all(channels[:1], [compression], pool)
    calls.limit_all(channels[:1], [Limiting(compression, compression, 1)], pool)
    calls.echo_row(channels[0].row, Echoing(100, 0.5), pool)
    (wet,) = calls.reverberate_all([channels], [Reverberation(0.5, 0.5, 1, 0)], pool, RATE)
    parts = tuple(Channel(row) for row in wet)
    pcm = levels.convert_to_pcm(mix_audio([parts], pool))
    levels.convert_channels(parts)
    levels.measure_samples(pcm)
    levels.integrate_loudness([pcm], RATE)
    track = TrackSum([parts])
    sum_all([track], pool)
    track.mono_rms([0], FRAMES)
