"""Load every kernel before the first pair needs one; compile those that were not compiled before."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from itertools import chain, groupby
from multiprocessing.process import BaseProcess

from rmod_pipeline.effects.engines.fused.code_files import (
    WAIT_SECONDS,
    can_keep_code,
    lock_kernels,
    read_code,
    remove_old,
    write_code,
)
from rmod_pipeline.effects.engines.fused.machine_code import Kernel
from rmod_pipeline.effects.engines.fused.table import KERNELS
from rmod_pipeline.storage.child_processes import STOP_SIGNALS, defer_signals, hide_main_module
from rmod_pipeline.storage.process_identity import available_cores

logger = logging.getLogger(__name__)

_lock = threading.Lock()
"""Code that is loaded a second time would replace code that another thread may be running."""

MOST_PROCESSES = 4
"""Processes that compile at once; with more of them, the longest kernel would take as long."""


@cache
def load_kernels() -> None:
    """Load every kernel. Where they have to be compiled first, say so: it takes some seconds of all cores."""
    with _lock:
        if not can_keep_code():
            _announce("in each process")
            _compile([kernel for kernel in KERNELS if not kernel.is_loaded])
        elif _find_missing():
            _announce("once per machine")
            with lock_kernels():
                remove_old()
                _compile_together(_find_missing())


def _announce(often: str) -> None:
    logger.warning("compiling the fused engine, which takes 5 to 10 s, %s", often)


def _find_missing() -> list[Kernel]:
    """Load the kernels that were compiled before, and return the others."""
    for kernel in KERNELS:
        code = None if kernel.is_loaded else read_code(kernel.name)
        if code is not None:
            kernel.load(code)
    return [kernel for kernel in KERNELS if not kernel.is_loaded]


def _compile_together(kernels: Sequence[Kernel]) -> None:
    """Compile kernels, in several processes at once, and load them."""
    shares = _divide(kernels, 1 if multiprocessing.parent_process() else min(available_cores(), MOST_PROCESSES))
    helpers = [helper for share in shares[1:] if (helper := _start_helper(share))]
    try:
        _compile(shares[0] if shares else [])
        for helper in helpers:
            helper.join(WAIT_SECONDS)
    finally:
        for helper in helpers:
            helper.terminate()  # those that have ended do not notice
    _compile(_find_missing())


def _divide(kernels: Sequence[Kernel], count: int) -> list[list[Kernel]]:
    """Divide kernels into up to ``count`` shares. Those of one module have functions in common and stay together."""
    modules = [list(group) for _, group in groupby(kernels, key=lambda kernel: kernel.module)]
    return [list(chain.from_iterable(modules[start::count])) for start in range(min(count, len(modules)))]


def _compile(kernels: Sequence[Kernel]) -> None:
    """Compile kernels in this process, keep them if possible, and load them."""
    if not kernels:
        return
    from rmod_pipeline.effects.engines.fused.compiling import compile_kernel

    for kernel in kernels:
        code = compile_kernel(kernel)
        if can_keep_code():
            write_code(kernel.name, code)
        kernel.load(code)


def _start_helper(share: Sequence[Kernel]) -> BaseProcess | None:
    """Start a process that compiles a share; return None if there can be no more processes."""
    # Spawned, not forked: a forked copy of a process with threads may hang.
    names = [kernel.name for kernel in share]
    helper = multiprocessing.get_context("spawn").Process(target=_help, args=(names,), daemon=True)
    with suppress(OSError), defer_signals(), hide_main_module():
        helper.start()
        return helper
    return None


def _help(names: Sequence[str]) -> None:
    """Compile kernels in a process of its own. What it fails to compile or to keep, the first process compiles."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process handles Ctrl-C
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    try:
        _compile([kernel for kernel in KERNELS if kernel.name in names])
    except Exception:
        logger.debug("failed", exc_info=True)
