"""Cut a data set into shards: the unit of work, of retry and of resume."""

from __future__ import annotations

from collections.abc import Mapping

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.splits import SPLITS
from rmod_pipeline.shards.layout import ShardPlan

Counts = Mapping[str, int]
"""How many pairs of each split."""

MOST_PAIRS = 10**8
"""More than a key's eight digits can name."""


def plan_shards(counts: Counts, shard_size: int) -> list[ShardPlan]:
    """Return the shards of all splits; the last of a split may be smaller."""
    return [
        ShardPlan(split=split, number=number, first=first, count=min(shard_size, count - first))
        for split, count in counts.items()
        for number, first in enumerate(range(0, count, shard_size))
    ]


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
        if not number.isdecimal() or not number.isascii():
            raise UsageError("--pairs", f"'{number}' is not a number of pairs for {split}", hint)
        counts[split] = int(number)
    if max(counts.values()) > MOST_PAIRS:
        raise UsageError("--pairs", f"more than {MOST_PAIRS:,} pairs in a split", "build several data sets by seed")
    if not any(counts.values()):
        raise UsageError("--pairs", "no pairs at all", hint)
    return {split: counts[split] for split in SPLITS if counts.get(split)}
