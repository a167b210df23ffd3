"""List the finished shards of a split: those with receipts."""

from __future__ import annotations

from dataclasses import dataclass

from rmod_pipeline.errors import ShardError, UnfinishedError, nearest, quote
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.receipt import read_receipt
from rmod_pipeline.storage import Location

HINT = "`rmod verify OUT` lists what is damaged"
"""Hint for a damaged pair where its data set is not known; ``naming_data_set`` names it. Else ``verify_hint``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedShard:
    """A finished tar, with its size and number of pairs according to the receipt."""

    path: Location
    bytes: int
    pairs: int


def verify_hint(out: Location) -> str:
    """Return what to do about a damaged pair or shard of a data set."""
    return f"`rmod verify {quote(out)}` lists what is damaged"


def list_finished_shards(
    layout: Layout, family: str, fingerprint: str, split: str, partial: bool = False
) -> list[FinishedShard]:
    """Return the finished shards of a split in order.

    Raises UnfinishedError if shards are missing, unless ``partial`` is set and there is at least one. Raises ShardError
    if the split does not exist, has no pairs, or has a receipt with another ``fingerprint``.
    """
    plans = _plan_split(layout, split)
    finished = [plan for plan in plans if layout.receipt(plan.name, family).exists()]
    missing = [plan.name for plan in plans if plan not in finished]
    if missing and not (finished and partial):
        found = f"{len(missing)} of {len(plans)} shards of {family} are not made yet, {missing[0]} the first"
        hint = "finish the build with the same command"
        if finished:
            hint += ", or read only the finished shards: partial=True"
        raise UnfinishedError(f"{layout.out}, split {split}", found, hint)
    shards = [_read_shard(plan, layout, family, fingerprint) for plan in finished]
    if not any(shard.pairs for shard in shards):
        raise ShardError(
            f"{layout.out}, split {split}",
            "no pairs in it",
            f"build a data set that has some, in another folder: --pairs {split}=100",
        )
    return shards


def _plan_split(layout: Layout, split: str) -> list[ShardPlan]:
    fingerprint = read_fingerprint(layout.build)
    counts = fingerprint["pairs"]
    if split not in counts:
        raise ShardError(layout.out, f"no split {split!r}{nearest(split, counts)}; there are {', '.join(counts)}")
    return [plan for plan in plan_shards(counts, fingerprint["shard_size"]) if plan.split == split]


def _read_shard(plan: ShardPlan, layout: Layout, family: str, fingerprint: str) -> FinishedShard:
    path, tar = layout.receipt(plan.name, family), layout.tar(plan.name, family)
    receipt = read_receipt(path)
    size = next((file.bytes for file in receipt.files if file.path == layout.relative(tar)), None)
    if receipt.fingerprint != fingerprint or size is None:
        raise ShardError(path, "the receipt of another data set, or of other tokens", verify_hint(layout.out))
    return FinishedShard(path=tar, bytes=size, pairs=receipt.pairs)
