"""Which pairs a page shows: some of a data set, evenly spread, or some made on the spot from a recipe."""

from __future__ import annotations

from collections.abc import Callable

from rmod_pipeline.compose import compose_pair
from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.context import WorkerContext
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.judge import judge
from rmod_pipeline.pipeline.shard import attempts
from rmod_pipeline.reading.pairs import StoredPair, read_pair
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.members import encode_members
from rmod_pipeline.spec import PairId
from rmod_pipeline.storage import Location


def stored_pairs(out: Location, keys: list[str]) -> list[StoredPair]:
    """Read pairs of a data set. Raises ShardError."""
    return [read_pair(out, key) for key in keys]


def fresh_pairs(job: BuildJob, split: str, count: int, on_pair: Callable[[], None] = lambda: None) -> list[StoredPair]:
    """Make the first pairs of a split, the same as a build of the job would store, and keep them in memory.

    A key whose every attempt is rejected is left out, as in a build. ``on_pair`` is called after each. Raises
    BuildError if no pair is left.
    """
    context = WorkerContext(job)
    pairs = []
    for index in range(count):
        pair = _fresh_pair(PairId(seed=job.seed, split=split, index=index), context)
        pairs += [pair] if pair else []
        on_pair()
    if not pairs:
        found = f"each of the first {count} pairs was rejected {job.recipe.reject.attempts} times"
        raise BuildError(job.recipe.name, found, "look at `reject` in the recipe, and at the levels of its drums")
    return pairs


def _fresh_pair(pair_id: PairId, context: WorkerContext) -> StoredPair | None:
    """Return the first attempt that is not rejected; None if all are."""
    recipe, job = context.recipe, context.job
    for attempt in attempts(pair_id, recipe.reject.attempts):
        spec = compose_pair(recipe, context.assets(pair_id.split), context.settings, attempt)
        pair = render_pair(spec, context.sounds)
        if judge(pair.measured, recipe.reject) is None:
            return StoredPair(key=pair_id.key, members=encode_members(pair, job.library, job.form))
    return None
