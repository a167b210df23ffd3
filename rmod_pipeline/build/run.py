"""Run a build: check, claim the folder, make what is missing, sum up from the receipts."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rmod_pipeline.build.claims import Claim
from rmod_pipeline.build.executors import Executor
from rmod_pipeline.build.job import Job
from rmod_pipeline.build.log import BEGIN, append_event, remember_library
from rmod_pipeline.build.outcome import Elsewhere, Failure, Result
from rmod_pipeline.build.plan import plan_shards
from rmod_pipeline.build.space import check_space
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.library.splits import check_splits, refuse_torn_groups
from rmod_pipeline.shards.fingerprint import check_folder, claim_folder, digest
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.members import check_kinds
from rmod_pipeline.shards.publish import sweep_drafts
from rmod_pipeline.shards.receipt import Receipt, read_receipt

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
"""Between looks at shards that another run is making."""


class Progress:
    """What the build tells while it runs; the command line draws it, and by default nobody listens."""

    def start(self, done: int, total: int) -> None:
        """Take the pairs that are there already and the pairs asked for."""

    def advance(self, pairs: int) -> None:
        """Take the pairs made since the last call; less than none when a shard that failed takes its own back."""

    def fail(self, failure: Failure) -> None:
        """Take a shard that could not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What stands in the folder after a run, from its receipts, and what this run could not make."""

    pairs: dict[str, int]
    rejects: dict[str, int]
    absent: int
    bytes: int
    made: int
    """Pairs that this run made."""
    seconds: float
    failures: list[Failure] = field(default_factory=list)


def run_build(job: Job, executor: Executor, progress: Progress, space_check: bool = True) -> Summary:
    """Build a data set, or what is missing of it. Raises RmodError if it cannot even begin.

    A shard that fails is reported and the others go on; giving the same command again tries it again.
    """
    started = time.monotonic()
    plans = plan_shards(job.counts, job.shard_size)
    check_job(job)
    # Looked at before anything is written or removed: it may be another data set's folder.
    check_folder(job.fingerprint(), job.layout.build)
    missing = missing_shards(plans, job)
    if space_check:
        check_space(missing, job)
    _open_folder(job)
    failures, made = _make_missing(plans, missing, job, executor, progress)
    summary = summarise(job, plans, failures, made, time.monotonic() - started)
    append_event(job.layout.log, "end", made=made, seconds=round(summary.seconds, 1), failures=len(failures))
    return summary


def check_job(job: Job) -> None:
    """Raise RecipeError or LibraryError for a job that would fail at its first pair."""
    check_kinds(job.recipe.kinds, f"recipe {job.recipe.name}")
    layering = job.recipe.one_shots.layering
    check_splits(job.library, job.recipe.loops, job.counts)
    check_splits(job.library, job.recipe.drums, job.counts, at_least=layering.most)
    refuse_torn_groups(job.library)


def missing_shards(plans: Sequence[ShardPlan], job: Job) -> list[ShardPlan]:
    """Return the shards that are not done. Raises BuildError for a receipt of another data set."""
    fingerprint = digest(job.fingerprint())
    return [plan for plan in plans if not _done(plan, job.layout, fingerprint)]


def _open_folder(job: Job) -> None:
    layout = job.layout
    try:
        claim_folder(job.fingerprint(), layout.build, layout.drafts)
        sweep_drafts(layout.drafts)
        remember_library(layout.log, job.library.manifest, layout.drafts)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BuildError(job.out, f"cannot be written: {reason}", "choose another --out, or mend the disk") from error


@dataclass(slots=True)
class _Run:
    """What one run has done so far."""

    job: Job
    progress: Progress
    made: int = 0
    failures: dict[str, Failure] = field(default_factory=dict)
    tried_again: set[str] = field(default_factory=set)

    def take(self, result: Result) -> None:
        """Take down what came of a shard."""
        log = self.job.layout.log
        if isinstance(result, Failure):
            if result.again and result.shard not in self.tried_again and not self._ended():
                self.tried_again.add(result.shard)
                append_event(log, "again", shard=result.shard, cause=result.cause)
                return
            self.failures[result.shard] = result
            self.progress.fail(result)
            append_event(log, "failure", shard=result.shard, cause=result.cause, detail=result.detail)
        elif isinstance(result, Receipt):
            self.made += result.count
            append_event(log, "shard", shard=result.shard, pairs=result.pairs, rejects=result.rejects)

    def _ended(self) -> bool:
        return any(failure.fatal for failure in self.failures.values())


def _make_missing(
    plans: Sequence[ShardPlan], missing: list[ShardPlan], job: Job, executor: Executor, progress: Progress
) -> tuple[list[Failure], int]:
    """Make shards until there are none left but those that fail: what cannot be read is tried once more at the end."""
    run = _Run(job, progress)
    total = sum(plan.count for plan in plans)
    append_event(job.layout.log, BEGIN, shards=len(plans), missing=len(missing), fingerprint=digest(job.fingerprint()))
    progress.start(total - sum(plan.count for plan in missing), total)
    while missing:
        elsewhere: set[str] = set()
        for result in executor.run(missing, job, progress.advance):
            run.take(result)
            if isinstance(result, Failure) and result.fatal:
                return list(run.failures.values()), run.made
            if isinstance(result, Elsewhere):
                elsewhere.add(result.shard)
        missing = _await_others([plan for plan in missing if plan.name not in run.failures], elsewhere, job, progress)
    return list(run.failures.values()), run.made


def _await_others(plans: Sequence[ShardPlan], elsewhere: set[str], job: Job, progress: Progress) -> list[ShardPlan]:
    """Return the shards that are still missing, once there is one to make or none is missing."""
    while True:
        missing = missing_shards(plans, job)
        for plan in plans:
            if plan.name in elsewhere and plan not in missing:
                progress.advance(plan.count)
        plans = missing
        if not all(Claim(job.layout.claims, plan.name).held() for plan in missing) or not missing:
            return missing
        time.sleep(WAIT_SECONDS)


def summarise(job: Job, plans: Sequence[ShardPlan], failures: list[Failure], made: int, seconds: float) -> Summary:
    """Count what stands in the folder, from its receipts: never summed up over runs."""
    paths = (job.layout.receipt(plan.name) for plan in plans)
    receipts = [read_receipt(path) for path in paths if path.exists()]
    pairs, rejects = Counter[str](), Counter[str]()
    for receipt in receipts:
        pairs[receipt.split] += receipt.pairs
        rejects.update(receipt.rejects)
    return Summary(
        pairs=dict(pairs),
        rejects=dict(rejects.most_common()),
        absent=sum(len(receipt.absent) for receipt in receipts),
        bytes=sum(file.bytes for receipt in receipts for file in receipt.files),
        made=made,
        seconds=seconds,
        failures=failures,
    )


def _done(plan: ShardPlan, layout: Layout, fingerprint: str) -> bool:
    """A shard is done if it has a receipt and its files have the size that the receipt says."""
    path = layout.receipt(plan.name)
    if not path.exists():
        return False
    try:
        receipt = read_receipt(path)
    except ShardError as error:
        logger.warning("%s is made anew: %s", plan.name, error.found)
        path.unlink()
        return False
    if receipt.fingerprint != fingerprint:
        raise BuildError(path, "is a receipt of another data set", "choose another --out, or clear this folder")
    files = [(layout.out / file.path, file.bytes) for file in receipt.files]
    if all(file.is_file() and file.stat().st_size == size for file, size in files):
        return True
    logger.warning("%s is made anew: its files are gone or cut", plan.name)
    path.unlink()  # what it vouches for is gone: the shard does not exist
    return False
