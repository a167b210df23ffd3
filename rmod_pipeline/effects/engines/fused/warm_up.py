"""Compile or load every kernel before the first pair needs one."""

from __future__ import annotations

import logging
from functools import cache

import numpy as np

from rmod_pipeline.effects.engines.fused import kernels, levels
from rmod_pipeline.effects.engines.fused.compiled import is_compiled, is_kept, keep_no_more, remove_compiled
from rmod_pipeline.effects.engines.fused.rows import Channel, RowPool, make_channels, mix_audio
from rmod_pipeline.effects.engines.fused.sections import AT_ONCE
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
    for count in (1, AT_ONCE):
        kernels.filter_all([channels[0].row], [Filtering((section,) * count)], pool)
    kernels.compress_all(channels[:1], [compression], pool)
    kernels.limit_all(channels[:1], [Limiting(compression, compression, 1)], pool)
    kernels.echo_row(channels[0].row, Echoing(100, 0.5), pool)
    wet = kernels.reverberate(channels, Reverberation(0.5, 0.5, 1, 0), pool, RATE)
    mixed = mix_audio([tuple(Channel(row) for row in wet)], pool)
    pcm = levels.convert_to_pcm(mixed)
    levels.measure_samples(pcm)
    levels.measure_k_weighted(pcm, RATE)
    levels.measure_peak_and_rms(mixed)
    levels.measure_mono_rms(mixed, 0, FRAMES)
