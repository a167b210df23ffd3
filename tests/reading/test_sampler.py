"""The sampler: every pair is read exactly once, whatever the number of ranks, workers and shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.draw import Draw
from rmod_pipeline.reading.sampler import ReaderRank, ShardPart, sample_shards, shuffle_items, split_epoch


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[int], int, int]:
    """Draw the pairs of each shard, the number of ranks and the number of workers."""
    return draw(st.lists(st.integers(0, 9), max_size=12)), draw(st.integers(1, 5)), draw(st.integers(1, 4))


def list_readers(world_size: int, workers: int) -> Iterator[ReaderRank]:
    for rank in range(world_size):
        for worker in range(workers):
            yield ReaderRank(rank=rank, world_size=world_size, worker=worker, workers=workers)


def list_positions(parts: Iterable[ShardPart]) -> list[tuple[int, int]]:
    """Return the (shard, position) of every pair in the parts."""
    return [(part.shard, position) for part in parts for position in range(part.start, part.stop)]


@given(tables(), st.one_of(st.none(), st.integers(0, 3)))
def test_all_readers_together_read_every_pair_once_in_equal_shares(
    table: tuple[list[int], int, int], seed: int | None
) -> None:
    pair_counts, world_size, workers = table
    draw = None if seed is None else Draw.of(seed)
    shares = [list_positions(split_epoch(pair_counts, reader, draw)) for reader in list_readers(world_size, workers)]
    expected = [(shard, position) for shard, count in enumerate(pair_counts) for position in range(count)]
    assert sorted(position for share in shares for position in share) == expected
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    ranks = [sum(map(len, shares[rank * workers : (rank + 1) * workers])) for rank in range(world_size)]
    assert max(ranks) - min(ranks) <= 1


@given(st.lists(st.integers()), st.integers(1, 20), st.integers(0, 3))
def test_shuffling_loses_nothing_and_is_reproducible(items: list[int], buffer_size: int, seed: int) -> None:
    shuffled = list(shuffle_items(items, buffer_size, Draw.of(seed)))
    assert Counter(shuffled) == Counter(items)
    assert shuffled == list(shuffle_items(items, buffer_size, Draw.of(seed)))


def test_resampling_draws_every_pair_equally_often_and_differs_between_readers() -> None:
    pair_counts, total = [7, 0, 2, 1], 20_000
    first, second = (
        list(islice(sample_shards(pair_counts, ReaderRank(worker=worker, workers=2), Draw.of(0)), total))
        for worker in range(2)
    )
    counts = Counter(part.shard for part in first)
    for shard, count in enumerate(pair_counts):
        # Four standard deviations of a binomial distribution.
        assert abs(counts[shard] - total * count / 10) <= 4 * (total * 0.25) ** 0.5
    assert first != second
