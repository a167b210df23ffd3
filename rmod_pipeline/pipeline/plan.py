"""Parse the number of pairs of a data set, and select some of its shards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.manifest import SPLITS
from rmod_pipeline.shards.layout import ShardPlan

Counts = Mapping[str, int]
"""Number of pairs by split."""

MOST_PAIRS = 10**8
"""Pairs per split: as many as the eight digits of a key can number."""

MOST_SHARDS = 10**6
"""Shards per split: as many as six digits can number, so that names sort like numbers."""


def parse_counts(pairs: str | Mapping[str, int]) -> dict[str, int]:
    """Return the number of pairs by split. Splits without pairs are left out. Raises UsageError.

    ``pairs`` is a text such as ``train=300,valid=30,test=30``, or a mapping.
    """
    hint = "write, for example, --pairs train=300,valid=30,test=30"
    text = pairs if isinstance(pairs, str) else ",".join(f"{split}={count}" for split, count in pairs.items())
    counts: dict[str, int] = {}
    for part in text.split(","):
        split, _, number = (piece.strip() for piece in part.partition("="))
        if split not in SPLITS:
            raise UsageError("--pairs", f"unknown split '{split}'{nearest(split, SPLITS)}", hint)
        if split in counts:
            raise UsageError("--pairs", f"'{split}' occurs twice", hint)
        if not number.isdecimal() or not number.isascii() or len(number) > 18:
            raise UsageError("--pairs", f"'{number[:20]}' is not a number of pairs of {split}", hint)
        counts[split] = int(number)
    if max(counts.values()) > MOST_PAIRS:
        raise UsageError("--pairs", f"more than {MOST_PAIRS:,} pairs in a split", "build several data sets by seed")
    if not any(counts.values()):
        raise UsageError("--pairs", "no pairs at all", hint)
    return {split: counts[split] for split in SPLITS if counts.get(split)}


def choose_shards(plans: Sequence[ShardPlan], text: str) -> list[ShardPlan]:
    """Return the shards of a range of positions, such as ``100:200`` or ``100:``. Raises UsageError.

    Positions count all shards from 0: train, then valid, then test. The end of the range is exclusive.
    """
    first, colon, end = (part.strip() for part in text.partition(":"))
    numbers = [part for part in (first, end) if part]
    hint = f"there are {len(plans)} shards: write, for example, --shards 0:{-(-len(plans) // 2)}"
    if not colon or not numbers or not all(part.isdecimal() and part.isascii() for part in numbers):
        raise UsageError("--shards", f"'{text[:20]}' is not a range of shards", hint)
    chosen = list(plans[int(first[:18] or 0) : int(end[:18]) if end else None])
    if not chosen:
        raise UsageError("--shards", f"'{text[:20]}' contains no shard", hint)
    return chosen


def check_shard_size(counts: Counts, shard_size: int) -> int:
    """Return the number of pairs per shard. Raises UsageError if it makes more shards than MOST_SHARDS."""
    least = -(-max(counts.values()) // MOST_SHARDS)
    if shard_size < max(least, 1):
        raise UsageError("--shard-size", f"{shard_size} is too small", f"give {max(least, 1)} or more")
    return shard_size
