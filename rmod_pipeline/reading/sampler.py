"""Decide which pairs of a split each reader reads, and in which order. This module opens no files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from typing import TypeVar

from rmod_pipeline.draw import Draw

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ShardPart:
    """Consecutive pairs of one shard: those from ``start`` up to ``stop``, without ``stop``."""

    shard: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRank:
    """One reader: a DataLoader worker of a rank."""

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    workers: int = 1

    @property
    def index(self) -> int:
        """The index of this reader among all readers."""
        return self.rank * self.workers + self.worker

    @property
    def readers(self) -> int:
        """The number of readers over all ranks."""
        return self.world_size * self.workers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """The order in which pairs are read, and the number of processes that share them."""

    shuffle: int = 0
    """Size of the shuffle buffer in pairs; 0 keeps the order of shards and pairs."""
    seed: int = 0
    resampled: bool = False
    rank: int = 0
    world_size: int = 1


def split_epoch(pair_counts: Sequence[int], reader: ReaderRank, draw: Draw | None) -> list[ShardPart]:
    """Return one reader's parts of the shards; all readers together read every pair exactly once.

    ``pair_counts`` holds the number of pairs of each shard. The shards are concatenated, in a random order if there is
    a ``draw``, and cut into one range per reader. The lengths of the ranges differ by at most one pair, even if there
    are fewer shards than readers or shards of different size.
    """
    order = draw.at("shards").order(len(pair_counts)) if draw else range(len(pair_counts))
    total = sum(pair_counts)
    first, last = (total * boundary // reader.readers for boundary in (reader.index, reader.index + 1))
    parts, offset = [], 0
    for shard in order:
        start, stop = max(first - offset, 0), min(last - offset, pair_counts[shard])
        if start < stop:
            parts.append(ShardPart(shard, start, stop))
        offset += pair_counts[shard]
    return parts


def sample_shards(pair_counts: Sequence[int], reader: ReaderRank, draw: Draw) -> Iterator[ShardPart]:
    """Yield whole shards forever, drawn with replacement with a probability proportional to their number of pairs."""
    ends = list(accumulate(pair_counts))
    stream = draw.at("resampled", reader.index)
    for turn in count():
        shard = bisect_right(ends, stream.at(turn).below(ends[-1]))
        yield ShardPart(shard, 0, pair_counts[shard])


def shuffle_items(items: Iterable[Item], buffer_size: int, draw: Draw) -> Iterator[Item]:
    """Yield the items in random order from a shuffle buffer; each yielded item makes room for the next."""
    buffer: list[Item] = []
    for turn, item in enumerate(items):
        if len(buffer) < buffer_size:
            buffer.append(item)
            continue
        position = draw.at(turn).below(buffer_size)
        yield buffer[position]
        buffer[position] = item
    for position in draw.at("rest").order(len(buffer)):
        yield buffer[position]
