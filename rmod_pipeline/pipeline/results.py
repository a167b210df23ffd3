"""Define the results of a run: a receipt or a failure per shard, and wait times."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass, fields, replace

from rmod_pipeline.errors import CodecError, RmodError
from rmod_pipeline.shards.receipt import Receipt

_FREE_SPACE = "free some space and give the same command again: the build resumes"

_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", _FREE_SPACE),
    errno.EDQUOT: ("the disk quota is used up", _FREE_SPACE),
    errno.EROFS: ("the disk is read-only", "choose another --out, or mount it for writing"),
    errno.EFBIG: ("a file grows larger than this disk or your limits allow", "choose a smaller --shard-size"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFailure:
    """A shard that could not be made. Nothing of it was published."""

    shard: str
    cause: str
    key: str = ""
    """The pair that was being made; empty if there was none."""
    detail: str = ""
    """The traceback for the log; empty if the cause is a mistake that the user can correct."""
    fatal: bool = False
    """Whether all other shards would fail too, as on a full disk."""
    machine_fault: bool = False
    """Whether the cause lies in this machine, so that another machine may succeed."""
    retryable: bool = False
    """Whether a second try may succeed, as after a read error of a network file system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedByOther:
    """A shard that another run is making or has just made."""

    shard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """How long workers and encoders waited for each other, in seconds, summed over all processes."""

    workers: float = 0.0
    """Time that workers spent on shards, including ``for_encoders``."""
    for_encoders: float = 0.0
    """Time that workers waited for encoders."""
    encoders: float = 0.0
    """Time that encoders were up, including ``for_workers``."""
    for_workers: float = 0.0
    """Time that encoders waited for workers."""

    def __add__(self, other: WaitTimes) -> WaitTimes:
        names = [field.name for field in fields(self)]
        return WaitTimes(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def rounded(self) -> dict[str, float]:
        """Return the times by name for the event log, rounded to 0.1 s."""
        return {field.name: round(getattr(self, field.name), 1) for field in fields(self)}


ShardResult = Receipt | ShardFailure | ClaimedByOther | WaitTimes
"""What an executor yields: one result per shard, and wait times at the end."""


def describe_failure(shard: str, error: Exception, key: str = "") -> ShardFailure:
    """Return the failure of a shard that an exception ended while the pair ``key`` was being made."""
    return replace(_classify_error(shard, error), key=key)


def describe_timeout(shard: str, seconds: float) -> ShardFailure:
    """Return the failure of a shard whose worker was killed after a time limit; a second try may succeed."""
    cause = f"took longer than {seconds / 60:g} minutes and was killed: see --shard-minutes"
    return ShardFailure(shard=shard, cause=cause, retryable=True)


def _classify_error(shard: str, error: Exception) -> ShardFailure:
    if isinstance(error, CodecError):
        return ShardFailure(shard=shard, cause=str(error), fatal=True)  # such as out of memory: every shard would fail
    if isinstance(error, RmodError):
        return ShardFailure(shard=shard, cause=str(error), retryable=True)
    if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
        found, hint = _DISK_ERRORS[error.errno]
        return ShardFailure(shard=shard, cause=f"{found}: {error}\n  -> {hint}", fatal=True, machine_fault=True)
    if isinstance(error, OSError):
        return ShardFailure(shard=shard, cause=f"{type(error).__name__}: {error}", retryable=True)
    detail = "".join(traceback.format_exception(error))
    return ShardFailure(shard=shard, cause=f"{type(error).__name__}: {error}", detail=detail)
