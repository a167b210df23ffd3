"""Run a build: check, claim the folder, make what is missing, sum up from the receipts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rmod_pipeline.errors import BuildError
from rmod_pipeline.library.splits import check_groups, check_splits
from rmod_pipeline.pipeline.event_log import END, append_event, remember_library
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.jobs.disk_space import check_space
from rmod_pipeline.pipeline.jobs.encode import EncodeJob
from rmod_pipeline.pipeline.results import ShardFailure, WaitTimes
from rmod_pipeline.pipeline.scheduler import BuildProgress, RunResults, make_missing
from rmod_pipeline.shards.completion import read_existing_receipts
from rmod_pipeline.shards.fingerprint import check_folder, claim_folder
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import check_kinds
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.token_family import check_family, claim_family
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import sweep_drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """What stands in the folder after a run, from its receipts, and what this run could not make."""

    pairs: dict[str, int]
    rejects: dict[str, int]
    absent: int
    bytes: int
    made: int
    """Pairs that this run made."""
    seconds: float
    failures: list[ShardFailure] = field(default_factory=list)
    waits: WaitTimes = field(default_factory=WaitTimes)
    """How long workers and encoders of this run stood still for each other."""


def run_build(
    job: BuildJob,
    executor: Executor,
    progress: BuildProgress,
    space_check: bool = True,
    only: Sequence[ShardPlan] | None = None,
) -> BuildSummary:
    """Build a data set, or what is missing of it, or of some of its shards. Raises RmodError if it cannot even begin.

    A shard that fails is reported and the others go on; giving the same command again tries it again.
    """
    started = time.monotonic()
    plans = plan_shards(job.counts, job.shard_size) if only is None else only
    check_job(job)
    # Looked at before anything is written or removed: it may be another data set's folder.
    check_folder(job.fingerprint(), job.layout.build)
    if job.encoding:
        check_family(job.encoding.family, job.layout)
    missing = job.missing(plans)
    if space_check:
        check_space(missing, job)
    open_folder(job)
    made = make_missing(plans, missing, job, executor, progress)
    return _ended(job.layout, list(job.families()), plans, made, started)


def run_encode(job: EncodeJob, executor: Executor, progress: BuildProgress) -> BuildSummary:
    """Add a family of tokens to finished sound, or what is missing of it. Raises RmodError if it cannot even begin."""
    started = time.monotonic()
    plans = job.plans()
    check_family(job.encoding.family, job.layout)
    missing = job.missing(plans)
    _open_tokens(job)
    made = make_missing(plans, missing, job, executor, progress)
    return _ended(job.layout, [job.encoding.family.folder], plans, made, started)


def _ended(
    layout: Layout, families: Sequence[str], plans: Sequence[ShardPlan], made: RunResults, started: float
) -> BuildSummary:
    """Sum a run up, and note its end."""
    summary = summarise(receipts_of(layout, families, plans), made, time.monotonic() - started)
    failed = [failure.shard for failure in made.failures]
    seconds = round(summary.seconds, 1)
    append_event(layout.log, END, made=made.pairs, seconds=seconds, failures=failed, waits=made.waits.rounded())
    return summary


def check_job(job: BuildJob) -> None:
    """Raise RecipeError or LibraryError for a job that would fail at its first pair."""
    check_kinds(job.recipe.kinds, f"recipe {job.recipe.name}")
    layering = job.recipe.one_shots.layering
    check_splits(job.library, job.recipe.loops, job.counts)
    check_splits(job.library, job.recipe.drums, job.counts, at_least=layering.most)
    check_groups(job.library)


def open_folder(job: BuildJob) -> None:
    """Make the folder a data set's, or see that it is this one's. Raises RmodError."""
    layout = job.layout
    try:
        claim_folder(job.fingerprint(), layout.build, layout.drafts)
        if job.encoding:
            claim_family(job.encoding.family, layout)
        sweep_drafts(layout.drafts)
        remember_library(layout.log, job.library.manifest, layout.drafts)
    except OSError as error:
        raise _unwritable(job.out, error) from error


def _open_tokens(job: EncodeJob) -> None:
    try:
        claim_family(job.encoding.family, job.layout)
        sweep_drafts(job.layout.drafts)
    except OSError as error:
        raise _unwritable(job.out, error) from error


def _unwritable(out: Location, error: OSError) -> BuildError:
    reason = error.strerror or str(error)
    return BuildError(out, f"cannot be written: {reason}", "choose another --out, or mend the disk")


def receipts_of(layout: Layout, families: Iterable[str], plans: Sequence[ShardPlan]) -> list[Receipt]:
    """Return the receipts of the shards that are there, family by family."""
    families = [*families]
    layout = layout.with_receipts([plan.name for plan in plans], families)
    return [receipt for family in families for receipt in read_existing_receipts(layout, family, plans)]


def summarise(receipts: Sequence[Receipt], made: RunResults, seconds: float) -> BuildSummary:
    """Count what stands in the folder, from its receipts: never summed up over runs.

    Of several families the pairs of the first are counted, and the bytes of all.
    """
    counted = [receipt for receipt in receipts if receipt.family == receipts[0].family]
    pairs, rejects = Counter[str](), Counter[str]()
    for receipt in counted:
        pairs[receipt.split] += receipt.pairs
        rejects.update(receipt.rejects)
    return BuildSummary(
        pairs=dict(pairs),
        rejects=dict(rejects.most_common()),
        absent=sum(len(receipt.absent) for receipt in counted),
        bytes=sum(file.bytes for receipt in receipts for file in receipt.files),
        made=made.pairs,
        seconds=seconds,
        failures=made.failures,
        waits=made.waits,
    )
