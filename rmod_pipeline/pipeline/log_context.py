"""What this thread is making: every line of the log says it, and what is reported of a failure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LINE = "%(levelname)s: %(message)s%(making)s"

_shard: ContextVar[str] = ContextVar("shard", default="")
_key: ContextVar[str] = ContextVar("key", default="")


@contextmanager
def shard_log_context(shard: str) -> Iterator[None]:
    """Say which shard is being made, until the context is left."""
    before = _shard.set(shard)
    _key.set("")
    try:
        yield
    finally:
        _shard.reset(before)
        _key.set("")


def set_current_pair(key: str) -> None:
    """Say which pair is being made, until the next one or the end of its shard."""
    _key.set(key)


def current_pair() -> str:
    """Return the key of the pair that is being made; empty if it is none."""
    return _key.get()


class CurrentPairFilter(logging.Filter):
    """Gives every record of the log the field ``making``: `` [train-000001 train-00000007]``, or nothing."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass."""
        made = " ".join(filter(None, (_shard.get(), _key.get())))
        record.making = f" [{made}]" if made else ""
        return True


def configure_logging(level: int) -> None:
    """Send this process's log to its standard error, each line with what was being made."""
    handler = logging.StreamHandler()
    handler.addFilter(CurrentPairFilter())
    logging.basicConfig(level=level, format=LINE, handlers=[handler])
