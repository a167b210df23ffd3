"""What comes back of a shard: its receipt, or why there is none."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass

from rmod_pipeline.codec import CodecError
from rmod_pipeline.errors import RmodError
from rmod_pipeline.shards.receipt import Receipt

_FREE = "free some space and give the same command again: it goes on where it stopped"

_FATAL = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("the disk quota is used up", _FREE),
    errno.EROFS: ("the disk cannot be written", "choose another --out, or mount it for writing"),
    errno.EFBIG: ("a file grows larger than this disk or your limits allow", "choose a smaller --shard-size"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A shard that was not made, and why. Nothing of it was published."""

    shard: str
    cause: str
    detail: str = ""
    """The traceback, for the log, if the cause is no mistake of the user's."""
    fatal: bool = False
    """Whether every other shard would fail too: a full disk, for instance."""
    again: bool = False
    """Whether it may go better later: what could not be read, a network disk's hiccup perhaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A shard that another run on the same folder is making right now, or has made meanwhile."""

    shard: str


Result = Receipt | Failure | Elsewhere


def failure_of(shard: str, error: Exception) -> Failure:
    """Describe an exception that ended a shard."""
    if isinstance(error, CodecError):
        return Failure(shard=shard, cause=str(error), fatal=True)  # out of memory: it would be for every shard
    if isinstance(error, RmodError):
        return Failure(shard=shard, cause=str(error), again=True)
    if isinstance(error, OSError) and error.errno in _FATAL:
        found, hint = _FATAL[error.errno]
        return Failure(shard=shard, cause=f"{found}: {error}\n  -> {hint}", fatal=True)
    if isinstance(error, OSError):
        return Failure(shard=shard, cause=f"{type(error).__name__}: {error}", again=True)
    detail = "".join(traceback.format_exception(error))
    return Failure(shard=shard, cause=f"{type(error).__name__}: {error}", detail=detail)
