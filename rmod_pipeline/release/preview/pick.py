"""Which pairs a page shows: some of a data set, evenly spread, or some made on the spot from a recipe."""

from __future__ import annotations

from collections.abc import Callable

from rmod_pipeline.build.job import Job, Studio, attempts
from rmod_pipeline.errors import BuildError
from rmod_pipeline.shards.members import encode_members
from rmod_pipeline.shards.stored import StoredPair, read_pair
from rmod_pipeline.spec import Address
from rmod_pipeline.storage import Place


def stored_pairs(out: Place, keys: list[str]) -> list[StoredPair]:
    """Read pairs of a data set. Raises ShardError."""
    return [read_pair(out, key) for key in keys]


def fresh_pairs(job: Job, split: str, count: int, on_pair: Callable[[], None] = lambda: None) -> list[StoredPair]:
    """Make the first pairs of a split, the same as a build of the job would store, and keep them in memory.

    A key whose every attempt is rejected is left out, as in a build. ``on_pair`` is called after each. Raises
    BuildError if no pair is left.
    """
    studio = Studio(job)
    pairs = []
    for index in range(count):
        pair = _fresh_pair(Address(seed=job.seed, split=split, index=index), studio)
        pairs += [pair] if pair else []
        on_pair()
    if not pairs:
        found = f"each of the first {count} pairs was rejected {job.recipe.reject.attempts} times"
        raise BuildError(job.recipe.name, found, "look at `reject` in the recipe, and at the levels of its drums")
    return pairs


def _fresh_pair(address: Address, studio: Studio) -> StoredPair | None:
    for pair, reject in attempts(address, studio):
        if reject is None:
            members = encode_members(pair, studio.job.library, studio.job.form)
            return StoredPair(key=address.key, members=members)
    return None
