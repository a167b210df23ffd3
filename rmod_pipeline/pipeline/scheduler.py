"""The loop of a run: hand out what is missing, take down what came of it, try once more what could not be read."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rmod_pipeline.errors import RmodError
from rmod_pipeline.pipeline.event_log import AGAIN, BEGIN, FAILURE, SHARD, append_event
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.leases import lease_on
from rmod_pipeline.pipeline.leases.object_lease import LOOK_SECONDS
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardFailure, ShardResult, WaitTimes
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import StorePath

WAIT_SECONDS = 1.0
"""Between looks at shards that another run is making."""


class BuildProgress:
    """What the build tells while it runs; the command line draws it, and by default nobody listens."""

    def start(self, done: int, total: int) -> None:
        """Take the pairs that are there already and the pairs asked for."""

    def advance(self, pairs: int) -> None:
        """Take the pairs made since the last call; less than none when a shard that failed takes its own back."""

    def fail(self, failure: ShardFailure) -> None:
        """Take a shard that could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResults:
    """What one run has done."""

    pairs: int
    failures: list[ShardFailure]
    waits: WaitTimes


@dataclass(slots=True)
class _RunState:
    """What one run has done so far."""

    work: Job
    progress: BuildProgress
    made: int = 0
    failures: dict[str, ShardFailure] = field(default_factory=dict)
    tried_again: set[str] = field(default_factory=set)
    put_off: dict[str, ShardFailure] = field(default_factory=dict)
    """Those to be tried again of which nothing came yet."""
    waits: WaitTimes = field(default_factory=WaitTimes)

    def take(self, result: ShardResult) -> None:
        """Take down what came of a shard."""
        log = self.work.layout.log
        if isinstance(result, WaitTimes):
            self.waits += result
            return
        self.put_off.pop(result.shard, None)
        if isinstance(result, ShardFailure):
            if result.again and result.shard not in self.tried_again and not self._ended():
                self.tried_again.add(result.shard)
                self.put_off[result.shard] = result
                append_event(log, AGAIN, shard=result.shard, key=result.key, cause=result.cause)
                return
            self._fail(result)
        elif isinstance(result, Receipt):
            self.made += result.count
            append_event(log, SHARD, shard=result.shard, pairs=result.pairs, rejects=result.rejects)

    def give_up(self) -> None:
        """Take down as failed what was to be tried again and never was, because the run ends before."""
        while self.put_off:
            self._fail(self.put_off.popitem()[1])

    def told(self, missing: Iterable[ShardPlan]) -> RunResults:
        """Return what it came to; what another run has made after all is no failure."""
        names = {plan.name for plan in missing}
        failures = [failure for failure in self.failures.values() if failure.shard in names]
        return RunResults(pairs=self.made, failures=failures, waits=self.waits)

    def _fail(self, failure: ShardFailure) -> None:
        self.failures[failure.shard] = failure
        self.progress.fail(failure)
        said = {"shard": failure.shard, "key": failure.key, "cause": failure.cause, "detail": failure.detail}
        append_event(self.work.layout.log, FAILURE, **said)

    def _ended(self) -> bool:
        return any(failure.fatal for failure in self.failures.values())


def make_missing(
    plans: Sequence[ShardPlan], missing: list[ShardPlan], work: Job, executor: Executor, progress: BuildProgress
) -> RunResults:
    """Make shards until there are none left but those that fail: what cannot be read is tried once more at the end."""
    run = _RunState(work, progress)
    total = sum(plan.count for plan in plans)
    append_event(work.layout.log, BEGIN, shards=len(plans), missing=len(missing), fingerprint=work.digest())
    progress.start(total - sum(plan.count for plan in missing), total)
    try:
        _make_all(missing, run, executor)
    finally:
        run.give_up()
    failed = [plan for plan in plans if plan.name in run.failures]
    return run.told(_missing(failed, work))


def _make_all(missing: list[ShardPlan], run: _RunState, executor: Executor) -> None:
    """Make shards until none is missing but those that fail, or one fails that ends the run."""
    work, progress = run.work, run.progress
    while missing:
        elsewhere: set[str] = set()
        for result in executor.run(missing, work, progress.advance):
            run.take(result)
            if isinstance(result, ShardFailure) and result.fatal:
                return
            if isinstance(result, ClaimedByOther):
                elsewhere.add(result.shard)
        missing = _await_others([plan for plan in missing if plan.name not in run.failures], elsewhere, work, progress)
        for name in run.put_off.keys() - {plan.name for plan in missing}:
            del run.put_off[name]  # another run has made it


def _missing(failed: list[ShardPlan], work: Job) -> list[ShardPlan]:
    """Return which of the shards that failed are not there; all, where nobody can look."""
    try:
        return work.missing(failed) if failed else []
    except (OSError, RmodError):
        return failed


def _await_others(
    plans: Sequence[ShardPlan], elsewhere: set[str], work: Job, progress: BuildProgress
) -> list[ShardPlan]:
    """Return the shards that are still missing, once there is one to make or none is missing."""
    while True:
        missing = work.missing(plans)
        for plan in plans:
            if plan.name in elsewhere and plan not in missing:
                progress.advance(plan.count)
        plans = missing
        if not all(lease_on(work.layout.leases, plan.name).held() for plan in missing) or not missing:
            return missing
        time.sleep(LOOK_SECONDS if isinstance(work.layout.out, StorePath) else WAIT_SECONDS)
