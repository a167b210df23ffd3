"""What comes back of a shard: its receipt, or why there is none."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass

from rmod_pipeline.errors import RmodError
from rmod_pipeline.shards.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A shard that was not made, and why. Nothing of it was published."""

    shard: str
    cause: str
    detail: str = ""
    """The traceback, for the log, if the cause is no mistake of the user's."""
    fatal: bool = False
    """Whether every other shard would fail too: a full disk, for instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A shard that another run on the same folder is making right now."""

    shard: str


Result = Receipt | Failure | Elsewhere


def failure_of(shard: str, error: Exception) -> Failure:
    """Describe an exception that ended a shard."""
    if isinstance(error, RmodError):
        return Failure(shard=shard, cause=str(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = f"the disk is full: {error.strerror}\n  -> free some space and give the same command again"
        return Failure(shard=shard, cause=cause, fatal=True)
    if isinstance(error, OSError):
        return Failure(shard=shard, cause=f"{type(error).__name__}: {error}")
    detail = "".join(traceback.format_exception(error))
    return Failure(shard=shard, cause=f"{type(error).__name__}: {error}", detail=detail)
