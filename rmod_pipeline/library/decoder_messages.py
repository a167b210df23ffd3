"""Keep what the audio decoder writes to standard error, and log it with the name of the file."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO

from rmod_pipeline.library.lengths import ByteSource

log = logging.getLogger(__name__)

_STDERR = 2
_SILENT_FORMATS = (b"RIFF", b"RIFX", b"RF64", b"FORM", b"fLaC", b"OggS", b"riff", b"caff", b".snd")
_MAX_CHARACTERS = 200
_lock = threading.RLock()


@contextmanager
def name_decoder_messages(source: ByteSource, about: object) -> Iterator[None]:
    """Log what the decoder of a file writes to standard error meanwhile, in one line that names the file.

    Only the decoder of MP3 writes there. It uses the file descriptor, so this redirects the descriptor of the whole
    process, and does nothing for other formats.
    """
    if source.read_at(0, 4) in _SILENT_FORMATS:
        yield
        return
    with _lock, ExitStack() as stack:
        _flush_stderr()
        try:
            messages = stack.enter_context(_open_message_file())
            original = os.dup(_STDERR)
        except OSError:  # there is no room for a file, or standard error is closed
            yield
            return
        try:
            os.dup2(messages.fileno(), _STDERR)
            try:
                yield
            finally:
                _flush_stderr()
                os.dup2(original, _STDERR)
        finally:
            os.close(original)
        messages.seek(0)
        text = messages.read().decode(errors="replace").strip()
    if text:
        _log_messages(about, text)


def _open_message_file() -> IO[bytes]:
    """Open a temporary file, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("rmod-decoder"), "w+b")
    return tempfile.TemporaryFile()


def _log_messages(about: object, text: str) -> None:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    more = f" ({len(lines) - 1} more messages)" if len(lines) > 1 else ""
    log.info("%s: the decoder says: %s%s", about, lines[0][:_MAX_CHARACTERS], more)


def _flush_stderr() -> None:
    with suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.flush()
