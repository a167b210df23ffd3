"""Run the missing shards on an executor, record their results, and retry shards that may succeed on a second try."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rmod_pipeline.errors import RmodError
from rmod_pipeline.pipeline.event_log import AGAIN, BEGIN, FAILURE, SHARD, append_event
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.leases import make_lease
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardFailure, ShardResult, WaitTimes
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import StorePath

CHECK_SECONDS = 1.0
"""Interval between checks of shards that another run holds, for a data set on a disk."""

STORE_CHECK_SECONDS = 5.0
"""The same interval for a data set on a store, where each check takes some requests."""


class BuildProgress:
    """Receive the progress of a run. The methods do nothing by default; the command line overrides them."""

    def start(self, done: int, total: int) -> None:
        """Receive the number of pairs that exist and the number of pairs requested."""

    def advance(self, pairs: int) -> None:
        """Receive the number of pairs made since the last call; negative when a failed shard loses its pairs."""

    def fail(self, failure: ShardFailure) -> None:
        """Receive a shard that could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """What one run has made."""

    pairs: int
    """Number of pairs that this run made."""
    failures: list[ShardFailure]
    waits: WaitTimes


@dataclass(slots=True)
class _RunState:
    """What one run has made so far."""

    job: Job
    progress: BuildProgress
    pairs: int = 0
    failures: dict[str, ShardFailure] = field(default_factory=dict)
    retried: set[str] = field(default_factory=set)
    """Shards that have failed once and were or will be tried again."""
    postponed: dict[str, ShardFailure] = field(default_factory=dict)
    """First failures of shards whose second try has no result yet."""
    waits: WaitTimes = field(default_factory=WaitTimes)

    def record(self, result: ShardResult) -> None:
        """Record one result of the executor, in memory and in the event log."""
        log = self.job.layout.log
        if isinstance(result, WaitTimes):
            self.waits += result
            return
        self.postponed.pop(result.shard, None)
        if isinstance(result, ShardFailure):
            if result.retryable and result.shard not in self.retried and not self._has_fatal_failure():
                self.retried.add(result.shard)
                self.postponed[result.shard] = result
                append_event(log, AGAIN, shard=result.shard, key=result.key, cause=result.cause)
                return
            self._fail(result)
        elif isinstance(result, Receipt):
            self.pairs += result.count
            append_event(log, SHARD, shard=result.shard, pairs=result.pairs, rejects=result.rejects)

    def fail_postponed(self) -> None:
        """Record as failed the shards that were to be tried again but never were, because the run ends."""
        while self.postponed:
            self._fail(self.postponed.popitem()[1])

    def results(self, missing: Iterable[ShardPlan]) -> RunResults:
        """Return the results of the run; a failed shard that another run has made meanwhile is no failure."""
        names = {plan.name for plan in missing}
        failures = [failure for failure in self.failures.values() if failure.shard in names]
        return RunResults(pairs=self.pairs, failures=failures, waits=self.waits)

    def _fail(self, failure: ShardFailure) -> None:
        self.failures[failure.shard] = failure
        self.progress.fail(failure)
        details = {"shard": failure.shard, "key": failure.key, "cause": failure.cause, "detail": failure.detail}
        append_event(self.job.layout.log, FAILURE, **details)

    def _has_fatal_failure(self) -> bool:
        return any(failure.fatal for failure in self.failures.values())


def make_missing(
    plans: Sequence[ShardPlan], missing: list[ShardPlan], job: Job, executor: Executor, progress: BuildProgress
) -> RunResults:
    """Make the missing ones of some shards. A shard whose first failure may be temporary is tried once more."""
    run = _RunState(job, progress)
    total = sum(plan.count for plan in plans)
    append_event(job.layout.log, BEGIN, shards=len(plans), missing=len(missing), fingerprint=job.digest)
    progress.start(total - sum(plan.count for plan in missing), total)
    try:
        _run_until_done(missing, run, executor)
    finally:
        run.fail_postponed()
    failed = [plan for plan in plans if plan.name in run.failures]
    return run.results(_still_missing(failed, job))


def _run_until_done(missing: list[ShardPlan], run: _RunState, executor: Executor) -> None:
    """Run the executor until no shard is missing except failed ones, or until a failure is fatal."""
    job, progress = run.job, run.progress
    while missing:
        claimed: set[str] = set()
        for result in executor.run(missing, job, progress.advance):
            run.record(result)
            if isinstance(result, ShardFailure) and result.fatal:
                return
            if isinstance(result, ClaimedByOther):
                claimed.add(result.shard)
        missing = _await_others([plan for plan in missing if plan.name not in run.failures], claimed, job, progress)
        for name in run.postponed.keys() - {plan.name for plan in missing}:
            del run.postponed[name]  # another run has made it


def _still_missing(failed: list[ShardPlan], job: Job) -> list[ShardPlan]:
    """Return the failed shards that are missing; all of them if the storage cannot be read."""
    try:
        return job.missing_shards(failed) if failed else []
    except (OSError, RmodError):
        return failed


def _await_others(plans: Sequence[ShardPlan], claimed: set[str], job: Job, progress: BuildProgress) -> list[ShardPlan]:
    """Wait while other runs hold all missing shards; return the missing shards once one is free or none is left."""
    while True:
        missing = job.missing_shards(plans)
        for plan in plans:
            if plan.name in claimed and plan not in missing:
                progress.advance(plan.count)
        plans = missing
        if not missing or not all(make_lease(job.layout.leases, plan.name).is_held() for plan in missing):
            return missing
        time.sleep(STORE_CHECK_SECONDS if isinstance(job.layout.out, StorePath) else CHECK_SECONDS)
