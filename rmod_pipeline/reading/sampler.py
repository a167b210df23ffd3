"""Which pairs of a split are read by whom, and in which order. Knows nothing of files."""

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
    """Consecutive pairs of one shard."""

    shard: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderRank:
    """One reader among several: a worker of a rank."""

    rank: int = 0
    world: int = 1
    worker: int = 0
    workers: int = 1

    @property
    def number(self) -> int:
        """Its place among all readers."""
        return self.rank * self.workers + self.worker

    @property
    def readers(self) -> int:
        """How many readers there are."""
        return self.world * self.workers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOrder:
    """In which order pairs are read, and how many processes share them."""

    shuffle: int = 0
    """How many pairs are held to draw the next one from; 0 leaves pairs and shards in the order they were made in."""
    seed: int = 0
    resampled: bool = False
    rank: int = 0
    world: int = 1


def one_epoch(pairs: Sequence[int], seat: ReaderRank, draw: Draw | None) -> list[ShardPart]:
    """Return a reader's parts of shards that hold so many pairs each, so that together all readers see each pair once.

    The shards, in an order drawn unless there is no draw, lie end to end, and every reader has a stretch of the same
    length, to within one pair. So no reader is left without pairs when shards are fewer than readers, or uneven.
    """
    order = draw.at("shards").order(len(pairs)) if draw else range(len(pairs))
    first, last = (sum(pairs) * place // seat.readers for place in (seat.number, seat.number + 1))
    parts, begin = [], 0
    for shard in order:
        start, stop = max(first - begin, 0), min(last - begin, pairs[shard])
        if start < stop:
            parts.append(ShardPart(shard, start, stop))
        begin += pairs[shard]
    return parts


def endless(pairs: Sequence[int], seat: ReaderRank, draw: Draw) -> Iterator[ShardPart]:
    """Yield shards forever, drawn with replacement; a shard of more pairs as much more often."""
    ends = list(accumulate(pairs))
    drawn = draw.at("resampled", seat.number)
    for turn in count():
        shard = bisect_right(ends, drawn.at(turn).below(ends[-1]))
        yield ShardPart(shard, 0, pairs[shard])


def shuffled(items: Iterable[Item], size: int, draw: Draw) -> Iterator[Item]:
    """Yield the items in a random order, of which at most ``size`` are held: each leaves for a later one."""
    held: list[Item] = []
    for turn, item in enumerate(items):
        if len(held) < size:
            held.append(item)
            continue
        place = draw.at(turn).below(size)
        yield held[place]
        held[place] = item
    for place in draw.at("rest").order(len(held)):
        yield held[place]
