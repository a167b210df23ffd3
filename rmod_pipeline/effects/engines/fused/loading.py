"""Load every kernel before the first pair needs one; compile those that were not compiled before."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain, groupby
from multiprocessing.process import BaseProcess

from rmod_pipeline.effects.engines.fused.code_files import (
    WAIT_SECONDS,
    NotKeptError,
    can_keep_code,
    lock_kernels,
    mark_used,
    read_code,
    remove_old,
    write_code,
)
from rmod_pipeline.effects.engines.fused.machine_code import Kernel
from rmod_pipeline.effects.engines.fused.table import KERNELS
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.child_processes import STOP_SIGNALS, defer_signals, hide_main_module
from rmod_pipeline.storage.process_identity import available_cores

logger = logging.getLogger(__name__)

_lock = threading.Lock()
"""Threads that need kernels at the same time load each of them once."""

MOST_PROCESSES = 4
"""Processes that compile at once; with more of them, the longest kernel would take as long."""


def load_kernels() -> None:
    """Load every kernel. Where they have to be compiled first, say so: it takes some seconds of all cores.

    Raises UsageError if they cannot be compiled.
    """
    if not _list_missing():
        return
    with _lock:
        if _find_missing():
            _compile_missing()
        else:
            mark_used()


def _compile_missing() -> None:
    """Compile the kernels that are missing: once per machine, or in each process where they cannot be kept."""
    if can_keep_code():
        _announce("once per machine")
        try:
            with lock_kernels():
                remove_old()
                _compile_together(_find_missing())
        except NotKeptError as error:
            # The lock is free again: other processes need not wait for what this one cannot keep.
            logger.warning("compiled kernels cannot be kept, so every process compiles them: %s", error)
    else:
        _announce("in each process")
    _compile(_list_missing(), keep=False)


def _announce(often: str) -> None:
    logger.warning("compiling the fused engine, which takes 5 to 10 s, %s", often)


def _list_missing() -> list[Kernel]:
    return [kernel for kernel in KERNELS if not kernel.is_loaded]


def _find_missing() -> list[Kernel]:
    """Load the kernels that were compiled before, and return the others."""
    for kernel in _list_missing():
        code = read_code(kernel.name)
        if code is not None:
            try:
                kernel.load(code)
            except LookupError as error:
                logger.warning("%s, so it is compiled again", error)
    return _list_missing()


def _compile_together(kernels: Sequence[Kernel]) -> None:
    """Compile kernels, in several processes at once, keep and load them. Raises NotKeptError and UsageError."""
    shares = _divide(kernels, 1 if multiprocessing.parent_process() else min(available_cores(), MOST_PROCESSES))
    helpers = [helper for share in shares[1:] if (helper := _start_helper(share))]
    try:
        _compile(shares[0] if shares else [], keep=True)
        for helper in helpers:
            helper.join(WAIT_SECONDS)
    finally:
        for helper in helpers:
            helper.terminate()  # those that have ended do not notice
    _compile(_find_missing(), keep=True)


def _divide(kernels: Sequence[Kernel], count: int) -> list[list[Kernel]]:
    """Divide kernels into up to ``count`` shares. Those of one module have functions in common and stay together."""
    modules = [list(group) for _, group in groupby(kernels, key=lambda kernel: kernel.module)]
    return [list(chain.from_iterable(modules[start::count])) for start in range(min(count, len(modules)))]


def _compile(kernels: Sequence[Kernel], *, keep: bool) -> None:
    """Compile kernels in this process, and load them; keep each unless told otherwise.

    Raises UsageError if one cannot be compiled, and NotKeptError after loading the first that cannot be kept.
    """
    for kernel in kernels:
        code = _compile_and_load(kernel)
        if keep:
            write_code(kernel.name, code)


def _compile_and_load(kernel: Kernel) -> bytes:
    try:
        from rmod_pipeline.effects.engines.fused.compiling import compile_kernel

        code = compile_kernel(kernel)
        kernel.load(code)
    except Exception as error:
        # It uses parts of numba that another version or setting may lack.
        found = f"the kernel {kernel.name} cannot be compiled: {error or type(error).__name__}"
        hint = "choose --engine pedalboard, the same sound but slower; or mend numba and its NUMBA_ variables"
        raise UsageError("--engine fused", found, hint) from error
    return code


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
        _compile([kernel for kernel in KERNELS if kernel.name in names], keep=True)
    except Exception:
        logger.debug("failed", exc_info=True)
