"""Run a build, import a folder of pairs, or make tokens or features of finished audio.

A run checks the job and the folder, makes the missing shards, and summarises the receipts.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rmod_pipeline.compose import check_enough_sounds, list_silent_hits
from rmod_pipeline.effects import prepare_engine
from rmod_pipeline.errors import BuildError, LibraryError
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.library.splits import check_groups
from rmod_pipeline.patterns.manifest import check_groove_groups
from rmod_pipeline.pipeline.event_log import END, append_event, record_library
from rmod_pipeline.pipeline.executors import Executor
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.jobs.disk_space import check_space
from rmod_pipeline.pipeline.jobs.from_audio import AudioJob
from rmod_pipeline.pipeline.jobs.imports import ImportJob
from rmod_pipeline.pipeline.results import ShardFailure, WaitTimes
from rmod_pipeline.pipeline.scheduler import BuildProgress, RunResults, make_missing
from rmod_pipeline.shards.completion import read_existing_receipts
from rmod_pipeline.shards.fingerprint import check_folder, claim_folder
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import check_kinds
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.shards.windows.family import WindowFamily, check_family, claim_family
from rmod_pipeline.storage.publish import sweep_drafts
from rmod_pipeline.storage.writing import report_unwritable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSummary:
    """What a folder contains after a run, counted from its receipts, and what the run made and failed to make."""

    pairs: dict[str, int]
    """Number of pairs by split."""
    rejects: dict[str, int]
    """Number of rejected attempts by reason."""
    absent: int
    """Number of keys whose attempts were all rejected."""
    bytes: int
    """Of all families."""
    made: int
    """Number of pairs that this run made."""
    seconds: float
    """Duration of this run."""
    failures: list[ShardFailure] = field(default_factory=list)
    waits: WaitTimes = field(default_factory=WaitTimes)
    """How long workers and encoders of this run waited for each other."""
    bytes_by_family: dict[str, int] = field(default_factory=dict)
    """Bytes by family of shards: audio, tokens/CODEC, features/MEL."""


def run_build(
    job: BuildJob,
    executor: Executor,
    progress: BuildProgress,
    space_check: bool = True,
    only: Sequence[ShardPlan] | None = None,
) -> BuildSummary:
    """Build the missing shards of a data set, of all or of those in ``only``. Raises RmodError if it cannot start.

    A shard that fails is reported and does not stop the others; the next run with the same job makes it.
    """
    start = time.monotonic()
    plans = plan_shards(job.counts, job.shard_size) if only is None else only
    check_job(job)
    # Before anything is written or removed, because the folder may hold another data set.
    has_build = check_folder(job.fingerprint, job.layout.build)
    new_families = [family for family in job.window_families if not check_family(family, job.layout)]
    missing = job.missing_shards(plans)
    if space_check:
        check_space(missing, job)
    open_folder(job, has_build, new_families)
    if missing:
        prepare_engine(job.engine)
    results = make_missing(plans, missing, job, executor, progress)
    return _finish(job, plans, results, start)


def run_on_audio(job: AudioJob, executor: Executor, progress: BuildProgress) -> BuildSummary:
    """Make the tokens or features of finished shards that lack them. Raises RmodError if it cannot start."""
    start = time.monotonic()
    plans = job.finished_shards()
    has_family = check_family(job.family, job.layout)
    missing = job.missing_shards(plans)
    with report_unwritable(job.out, "choose another --out, or repair the disk", BuildError):
        if not has_family:
            claim_family(job.family, job.layout)
        sweep_drafts(job.layout.drafts)
    results = make_missing(plans, missing, job, executor, progress)
    return _finish(job, plans, results, start)


def run_import(job: ImportJob, executor: Executor, progress: BuildProgress) -> BuildSummary:
    """Import the missing shards of a folder of pairs. Raises RmodError if it cannot start."""
    start = time.monotonic()
    plans = plan_shards(job.counts, job.shard_size)
    has_build = check_folder(job.fingerprint, job.layout.build)
    missing = job.missing_shards(plans)
    with report_unwritable(job.out, "choose another --out, or repair the disk", BuildError):
        if not has_build:
            claim_folder(job.fingerprint, job.layout.build, job.layout.drafts)
        sweep_drafts(job.layout.drafts)
    results = make_missing(plans, missing, job, executor, progress)
    return _finish(job, plans, results, start)


def check_job(job: BuildJob) -> None:
    """Raise RecipeError or LibraryError for a job whose first pair would fail."""
    check_kinds(job.recipe.kinds, f"recipe {job.recipe.name}")
    try:
        check_enough_sounds(job.recipe, job.library, job.counts)
    except LibraryError as error:
        if job.licences is LicenceClass.ANY:
            raise
        found = f"of the sounds under {job.licences} licences, {error.found}"
        raise LibraryError(error.about, found, f"choose a wider --licences; or {error.hint}") from error
    check_groups(job.library)
    if job.grooves:
        check_groove_groups(job.grooves)
    for line in list_silent_hits(job.recipe, job.library, job.counts, job.grooves):
        logger.warning(line)


def open_folder(job: BuildJob, has_build: bool = False, families: Iterable[WindowFamily] | None = None) -> None:
    """Write build.json, codec.json and features.json unless the folder has them, and prepare its log.

    ``has_build`` says that the folder has a build.json, which was checked. ``families``: those whose files are missing;
    by default all. Raises BuildError, ShardError.
    """
    layout = job.layout
    with report_unwritable(job.out, "choose another --out, or repair the disk", BuildError):
        if not has_build:
            claim_folder(job.fingerprint, layout.build, layout.drafts)
        for family in job.window_families if families is None else families:
            claim_family(family, layout)
        sweep_drafts(layout.drafts)
        record_library(layout.log, job.library.manifest, layout.drafts, job.grooves.manifest if job.grooves else None)


def collect_receipts(layout: Layout, families: Iterable[str], plans: Sequence[ShardPlan]) -> list[Receipt]:
    """Return the existing receipts of some shards, family by family."""
    families = [*families]
    layout = layout.with_receipts([plan.name for plan in plans], families)
    return [receipt for family in families for receipt in read_existing_receipts(layout, family, plans)]


def summarise(receipts: Sequence[Receipt], results: RunResults, seconds: float) -> BuildSummary:
    """Summarise what the folder contains, from its receipts, and what the run made.

    Pairs are counted in the first of several families, bytes in all of them.
    """
    counted = [receipt for receipt in receipts if receipt.family == receipts[0].family]
    pairs, rejects = Counter[str](), Counter[str]()
    sizes = Counter[str]()
    for receipt in receipts:
        sizes[receipt.family] += sum(file.bytes for file in receipt.files)
    for receipt in counted:
        pairs[receipt.split] += receipt.pairs
        rejects.update(receipt.rejects)
    return BuildSummary(
        pairs=dict(pairs),
        rejects=dict(rejects.most_common()),
        absent=sum(len(receipt.absent) for receipt in counted),
        bytes=sizes.total(),
        made=results.pairs,
        seconds=seconds,
        failures=results.failures,
        waits=results.waits,
        bytes_by_family=dict(sizes),
    )


def _finish(job: Job, plans: Sequence[ShardPlan], results: RunResults, start: float) -> BuildSummary:
    """Summarise a run that began at the monotonic time ``start``, and record its end in the event log."""
    receipts = collect_receipts(job.layout, job.families, plans)
    summary = summarise(receipts, results, time.monotonic() - start)
    failed = [failure.shard for failure in results.failures]
    seconds, waits = round(summary.seconds, 1), results.waits.rounded()
    append_event(job.layout.log, END, made=results.pairs, seconds=seconds, failures=failed, waits=waits)
    return summary
