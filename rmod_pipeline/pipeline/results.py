"""What comes back of a shard: its receipt, or why there is none."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass, fields, replace

from rmod_pipeline.errors import CodecError, RmodError
from rmod_pipeline.shards.receipt import Receipt

_FREE = "free some space and give the same command again: it goes on where it stopped"

_DISK = {
    errno.ENOSPC: ("the disk is full", _FREE),
    errno.EDQUOT: ("the disk quota is used up", _FREE),
    errno.EROFS: ("the disk cannot be written", "choose another --out, or mount it for writing"),
    errno.EFBIG: ("a file grows larger than this disk or your limits allow", "choose a smaller --shard-size"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFailure:
    """A shard that was not made, and why. Nothing of it was published."""

    shard: str
    cause: str
    key: str = ""
    """The pair that was being made, if it came to that."""
    detail: str = ""
    """The traceback, for the log, if the cause is no mistake of the user's."""
    fatal: bool = False
    """Whether every other shard would fail too: a full disk, for instance."""
    machine: bool = False
    """Whether it is this machine's fault: with several, another may do better."""
    again: bool = False
    """Whether it may go better later: what could not be read, a network disk's hiccup perhaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedByOther:
    """A shard that another run on the same folder is making right now, or has made meanwhile."""

    shard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitTimes:
    """How long workers and encoders stood still for each other: seconds, of all processes added up."""

    workers: float = 0.0
    """That workers spent on shards, ``for_encoders`` among them."""
    for_encoders: float = 0.0
    encoders: float = 0.0
    """That encoders were there, ``for_workers`` among them."""
    for_workers: float = 0.0

    def __add__(self, other: WaitTimes) -> WaitTimes:
        return WaitTimes(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    def rounded(self) -> dict[str, float]:
        """Return it for the log."""
        return {each.name: round(getattr(self, each.name), 1) for each in fields(self)}


ShardResult = Receipt | ShardFailure | ClaimedByOther | WaitTimes
"""What a run yields: one a shard, and at its end how long who waited for whom."""


def describe_failure(shard: str, error: Exception, key: str = "") -> ShardFailure:
    """Describe an exception that ended a shard, while the pair ``key`` was being made."""
    return replace(_described(shard, error), key=key)


def took_too_long(shard: str, seconds: float) -> ShardFailure:
    """Describe a shard whose worker was killed because it took too long; a second try may fare better."""
    cause = f"took longer than {seconds / 60:g} minutes and was killed: see --shard-minutes"
    return ShardFailure(shard=shard, cause=cause, again=True)


def _described(shard: str, error: Exception) -> ShardFailure:
    if isinstance(error, CodecError):
        return ShardFailure(shard=shard, cause=str(error), fatal=True)  # out of memory: it would be for every shard
    if isinstance(error, RmodError):
        return ShardFailure(shard=shard, cause=str(error), again=True)
    if isinstance(error, OSError) and error.errno in _DISK:
        found, hint = _DISK[error.errno]
        return ShardFailure(shard=shard, cause=f"{found}: {error}\n  -> {hint}", fatal=True, machine=True)
    if isinstance(error, OSError):
        return ShardFailure(shard=shard, cause=f"{type(error).__name__}: {error}", again=True)
    detail = "".join(traceback.format_exception(error))
    return ShardFailure(shard=shard, cause=f"{type(error).__name__}: {error}", detail=detail)
