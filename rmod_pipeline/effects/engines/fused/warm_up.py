"""Compile or load every kernel before the first pair needs one."""

from __future__ import annotations

import logging
import multiprocessing
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from multiprocessing.process import BaseProcess

import numpy as np

from rmod_pipeline.effects.engines.fused import calls, levels
from rmod_pipeline.effects.engines.fused.compiled import (
    WAIT_SECONDS,
    is_compiled,
    is_kept,
    keep_no_more,
    lock_kernels,
    remember_compiled,
    remove_compiled,
    remove_old,
)
from rmod_pipeline.effects.engines.fused.kernels.sections import AT_ONCE
from rmod_pipeline.effects.engines.fused.rows import (
    Channels,
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
from rmod_pipeline.storage.child_processes import STOP_SIGNALS, defer_signals, hide_main_module
from rmod_pipeline.storage.process_identity import available_cores

logger = logging.getLogger(__name__)

RATE, FRAMES = 44_100, 22_050
_COMPRESSION = Compression(0.5, -0.5, 0.9, 0.9)


@cache
def compile_kernels() -> None:
    """Call every kernel once. Where they have to be compiled, say so: it takes some seconds of all cores."""
    if not is_kept():
        _announce("in each process")
        _call_all()
        return
    if not is_compiled():
        _announce("once per machine")
    try:
        _compile_together()
        _call_all()
        remember_compiled()
    except Exception as error:  # noqa: BLE001 (numba raises whatever reading a damaged file raises)
        logger.warning("the compiled kernels cannot be used and are compiled again: %r", error)
        with lock_kernels():
            remove_compiled()
            _compile_again()
            remember_compiled()


def _announce(often: str) -> None:
    logger.warning("compiling the fused engine, which takes 5 to 10 s, %s", often)


def _compile_again() -> None:
    """Call every kernel once more; without keeping them, if the disk is what fails."""
    try:
        _call_all()
    except OSError as error:
        logger.warning("the compiled kernels cannot be kept, so every process compiles them: %s", error)
        keep_no_more()
        _call_all()


def _compile_together() -> None:
    """Compile the kernels in several processes at once, unless another process of this machine has done so."""
    if is_compiled():
        return
    with lock_kernels():
        if is_compiled():
            return
        remove_old()
        shares = _count_shares()
        helpers = [helper for number in range(1, shares) if (helper := _start_helper(number, shares))]
        try:
            _compile_share(0, shares)
            for helper in helpers:
                helper.join(WAIT_SECONDS)
        finally:
            for helper in helpers:
                helper.terminate()  # those that have ended do not notice


def _count_shares() -> int:
    """Return the number of processes that compile: one in a worker, whose cores belong to other workers as well."""
    return 1 if multiprocessing.parent_process() else min(available_cores(), len(_PARTS) - 1)


def _start_helper(number: int, shares: int) -> BaseProcess | None:
    """Start a process that compiles a share; return None if there can be no more processes."""
    # Spawned, not forked: a forked copy of a process with threads may hang.
    helper = multiprocessing.get_context("spawn").Process(target=_help, args=(number, shares), daemon=True)
    with suppress(OSError), defer_signals(), hide_main_module():
        helper.start()
        return helper
    return None


def _help(number: int, shares: int) -> None:
    """Compile a share in a process of its own. What it fails to compile or keep, the first process compiles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        _compile_share(number, shares)
    except Exception:
        logger.debug("failed", exc_info=True)


def _compile_share(number: int, shares: int) -> None:
    """Call every kernel of one of several shares, which are about as large."""
    for call in _PARTS[number::shares]:
        call(*_make_sound())


def _call_all() -> None:
    _compile_share(0, 1)


def _make_sound() -> tuple[Channels, RowPool]:
    pool = RowPool(FRAMES)
    return make_channels(np.linspace(-1, 1, 2 * FRAMES, dtype=np.float32).reshape(2, FRAMES), pool), pool


def _filter(channels: Channels, pool: RowPool) -> None:
    for count in (1, AT_ONCE):
        calls.filter_all(channels[:1], [Filtering((Section(1, 0, 0, 0, 0),) * count)], pool)


def _reverberate(channels: Channels, pool: RowPool) -> None:
    calls.reverberate_all([channels], [Reverberation(0.5, 0.5, 1, 0)], pool, RATE)


def _compress(channels: Channels, pool: RowPool) -> None:
    calls.compress_all(channels[:1], [_COMPRESSION], pool)
    calls.limit_all(channels[:1], [Limiting(_COMPRESSION, _COMPRESSION, 1)], pool)


def _add(channels: Channels, pool: RowPool) -> None:
    find_rms(channels)
    calls.echo_row(channels[0].row, Echoing(100, 0.5), pool)
    mix_audio([channels], pool)
    track = TrackSum([channels])
    sum_all([track], pool)
    track.mono_rms([0], FRAMES)


def _convert(channels: Channels, pool: RowPool) -> None:  # noqa: ARG001
    pcm, _ = levels.convert_channels(channels)
    levels.measure_samples(pcm)
    levels.integrate_loudness([pcm], RATE)


_PARTS: tuple[Callable[[Channels, RowPool], None], ...] = (_filter, _reverberate, _compress, _add, _convert)
"""Calls of all kernels. Those that have functions in common stand together, and each part takes about as long."""
