"""Name the shard and the pair in progress in every line of the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LINE = "%(levelname)s: %(message)s%(shard_and_pair)s"

_shard: ContextVar[str] = ContextVar("shard", default="")
_key: ContextVar[str] = ContextVar("key", default="")


@contextmanager
def shard_log_context(shard: str) -> Iterator[None]:
    """Set the shard in progress in this thread while the context is open."""
    before = _shard.set(shard)
    _key.set("")
    try:
        yield
    finally:
        _shard.reset(before)
        _key.set("")


def set_current_pair(key: str) -> None:
    """Set the pair in progress in this thread, until the next pair or the end of the shard."""
    _key.set(key)


def current_pair() -> str:
    """Return the key of the pair in progress in this thread; empty if there is none."""
    return _key.get()


class CurrentPairFilter(logging.Filter):
    """Add the field ``shard_and_pair`` to every log record: `` [train-000001 train-00000007]``, or an empty text."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field and let the record pass."""
        names = " ".join(filter(None, (_shard.get(), _key.get())))
        record.shard_and_pair = f" [{names}]" if names else ""
        return True


def configure_logging(level: int) -> None:
    """Send this process's log to its standard error, with the shard and the pair in progress on each line."""
    handler = logging.StreamHandler()
    handler.addFilter(CurrentPairFilter())
    logging.basicConfig(level=level, format=LINE, handlers=[handler])
