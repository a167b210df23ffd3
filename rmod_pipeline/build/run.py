"""Run a build: check, claim the folder, make what is missing, sum up from the receipts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from rmod_pipeline.build.executors import Executor
from rmod_pipeline.build.job import Job, Studio
from rmod_pipeline.build.log import append_event, remember_library
from rmod_pipeline.build.outcome import Elsewhere, Failure
from rmod_pipeline.build.plan import plan_shards
from rmod_pipeline.build.space import check_space
from rmod_pipeline.shards.fingerprint import claim_folder, digest
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.publish import sweep_drafts
from rmod_pipeline.shards.receipt import Receipt, read_receipt

WAIT_SECONDS = 2.0
"""Between looks at shards that another run is making."""


class Progress:
    """What the build tells while it runs; the command line draws it, and by default nobody listens."""

    def start(self, done: int, total: int) -> None:
        """Take the pairs that are there already and the pairs asked for."""

    def advance(self, pairs: int) -> None:
        """Take the pairs made since the last call."""

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
    studio = Studio(job)
    for split in job.counts:
        studio.palette(split)  # a library that does not suffice is refused before anything is written
    if space_check:
        check_space(_missing(plans, job.layout), job)
    claim_folder(job.fingerprint(), job.layout.build, job.layout.drafts)
    sweep_drafts(job.layout.drafts)
    remember_library(job.layout.log, job.library.manifest)
    failures, made = _make_missing(plans, job, executor, progress)
    summary = summarise(job, plans, failures, made, time.monotonic() - started)
    append_event(job.layout.log, "end", made=made, seconds=round(summary.seconds, 1), failures=len(failures))
    return summary


def _make_missing(
    plans: Sequence[ShardPlan], job: Job, executor: Executor, progress: Progress
) -> tuple[list[Failure], int]:
    failures: dict[str, Failure] = {}
    missing = _missing(plans, job.layout)
    total = sum(plan.count for plan in plans)
    there = total - sum(plan.count for plan in missing)
    append_event(
        job.layout.log, "begin", shards=len(plans), missing=len(missing), fingerprint=digest(job.fingerprint())
    )
    progress.start(there, total)
    made = 0
    while missing:
        waiting = False
        for result in executor.run(missing, job, progress.advance):
            if isinstance(result, Failure):
                failures[result.shard] = result
                progress.fail(result)
                append_event(job.layout.log, "failure", shard=result.shard, cause=result.cause, detail=result.detail)
                if result.fatal:
                    return list(failures.values()), made
            elif isinstance(result, Receipt):
                made += result.count
                append_event(job.layout.log, "shard", shard=result.shard, pairs=result.pairs, rejects=result.rejects)
            elif isinstance(result, Elsewhere):
                waiting = True
        missing = [plan for plan in _missing(missing, job.layout) if plan.name not in failures]
        if missing and waiting:
            time.sleep(WAIT_SECONDS)
    return list(failures.values()), made


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


def _missing(plans: Sequence[ShardPlan], layout: Layout) -> list[ShardPlan]:
    return [plan for plan in plans if not _done(plan, layout)]


def _done(plan: ShardPlan, layout: Layout) -> bool:
    """A shard is done if it has a receipt and its files have the size that the receipt says."""
    path = layout.receipt(plan.name)
    if not path.exists():
        return False
    files = [(layout.out / file.path, file.bytes) for file in read_receipt(path).files]
    if all(file.is_file() and file.stat().st_size == size for file, size in files):
        return True
    path.unlink()  # what it vouches for is gone: the shard does not exist
    return False
