"""Cut a data set into shards: the unit of work, of retry and of resume."""

from __future__ import annotations

from collections.abc import Mapping

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.splits import SPLITS
from rmod_pipeline.shards.layout import plan_shards

__all__ = ["MOST_PAIRS", "MOST_SHARDS", "Counts", "check_shard_size", "parse_counts", "plan_shards"]

Counts = Mapping[str, int]
"""How many pairs of each split."""

MOST_PAIRS = 10**8
"""As many as a key's eight digits can name."""

MOST_SHARDS = 10**6
"""Of a split: as many as six digits can name, so that names sort as numbers do."""


def parse_counts(text: str) -> dict[str, int]:
    """Read ``train=300,valid=30,test=30``; splits left out have no pairs. Raises UsageError."""
    hint = "write, for example, --pairs train=300,valid=30,test=30"
    counts: dict[str, int] = {}
    for part in text.split(","):
        split, _, number = (piece.strip() for piece in part.partition("="))
        if split not in SPLITS:
            raise UsageError("--pairs", f"unknown split '{split}'{nearest(split, SPLITS)}", hint)
        if split in counts:
            raise UsageError("--pairs", f"'{split}' stands twice", hint)
        if not number.isdecimal() or not number.isascii() or len(number) > 18:
            raise UsageError("--pairs", f"'{number[:20]}' is no number of pairs of {split}", hint)
        counts[split] = int(number)
    if max(counts.values()) > MOST_PAIRS:
        raise UsageError("--pairs", f"more than {MOST_PAIRS:,} pairs in a split", "build several data sets by seed")
    if not any(counts.values()):
        raise UsageError("--pairs", "no pairs at all", hint)
    return {split: counts[split] for split in SPLITS if counts.get(split)}


def check_shard_size(counts: Counts, shard_size: int) -> int:
    """Return the number of pairs in a shard. Raises UsageError if that makes more shards than names."""
    least = -(-max(counts.values()) // MOST_SHARDS)
    if shard_size < max(least, 1):
        raise UsageError("--shard-size", f"{shard_size} is too small", f"give {max(least, 1)} or more")
    return shard_size
