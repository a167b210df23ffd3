"""Draws depend on their name alone, never change between versions, and are uniform."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare, kstest

from rmod_pipeline.draw import Draw

names = st.lists(st.text(max_size=6) | st.integers(), max_size=5)


def fair(counts: Counter[Any], outcomes: list[Any]) -> float:
    """Return the p value of the counts if every outcome has equal chance."""
    assert set(counts) <= set(outcomes)
    return float(chisquare([counts[outcome] for outcome in outcomes]).pvalue)


# If one of these changes, all data sets change: raise OUTPUT_VERSION, and note it in the change log.
def test_streams_never_drift() -> None:
    draw = Draw.of(0, "train", 12, 0)
    assert draw.at("kick", "compressor", "ratio").uniform().hex() == "0x1.7129f070441b2p-1"
    assert draw.at("a").bits(3) == [3404409634089821007, 9040293973290885081, 13256700091210924555]
    assert draw.at("b").below(1000) == 948
    assert draw.at("c").distinct(4, 1920) == [1086, 1391, 1422, 1470]
    assert draw.at("d").order(7) == [0, 5, 3, 2, 1, 4, 6]


@given(names, names)
def test_two_names_are_two_streams(first: list[Any], second: list[Any]) -> None:
    equal = [str(name) for name in first] == [str(name) for name in second]
    assert (Draw.of(*first).bits(2) == Draw.of(*second).bits(2)) == equal


def test_the_end_of_a_name_matters() -> None:
    assert Draw.of("ab", "c").uniform() != Draw.of("a", "bc").uniform()
    assert Draw.of("ab").uniform() != Draw.of("a", "b").uniform()
    assert Draw.of("a", "").uniform() != Draw.of("a").uniform()
    assert Draw.of("1:a").uniform() != Draw.of("a").uniform()


def test_a_number_and_its_text_are_one_name() -> None:
    assert Draw.of(7, "train").bits(4) == Draw.of("7", "train").bits(4)


@given(names, names)
def test_a_stream_below_a_stream_is_the_whole_path(above: list[Any], below: list[Any]) -> None:
    assert Draw.of(*above).at(*below).bits(5) == Draw.of(*above, *below).bits(5)


def test_order_of_drawing_does_not_matter() -> None:
    draw = Draw.of(3)
    first = [draw.at(name).uniform() for name in "abc"]
    draw.at("new effect").order(50)
    assert [draw.at(name).uniform() for name in "cba"] == first[::-1]
    assert draw.at("a").uniform() == first[0]


def test_seed_0_is_a_seed() -> None:
    assert len({Draw.of(seed, "train", 0, 0).uniform() for seed in (0, 1, 2, None, "")}) == 5


def test_more_bits_begin_with_the_same_bits() -> None:
    assert Draw.of("x").bits(11)[:5] == Draw.of("x").bits(5)
    assert len(set(Draw.of("x").bits(1000))) == 1000


def test_uniform_is_uniform_within_a_stream_and_across_neighbours() -> None:
    across = [Draw.of(0, "train", index, 0).uniform() for index in range(5000)]
    within = [bits / 2**64 for bits in Draw.of("x").bits(5000)]
    for values in (across, within):
        assert kstest(values, "uniform").pvalue > 1e-3
        assert all(0 <= value < 1 for value in values)
    # The same test detects a bias of 3 %.
    assert kstest([value**1.1 for value in across], "uniform").pvalue < 1e-3


def test_neighbouring_indices_are_independent() -> None:
    pairs = Counter((Draw.of(0, index).below(8), Draw.of(0, index + 1).below(8)) for index in range(20_000))
    assert fair(pairs, [(i, j) for i in range(8) for j in range(8)]) > 1e-3


@given(st.integers(1, 10**9), st.integers())
def test_below_stays_below(limit: int, name: int) -> None:
    assert 0 <= Draw.of(name).below(limit) < limit


def test_chance_never_and_always() -> None:
    draws = [Draw.of(name) for name in range(500)]
    assert not any(draw.chance(0.0) for draw in draws)
    assert all(draw.chance(1.0) for draw in draws)
    assert 90 < sum(draw.chance(0.25) for draw in draws) < 160


def test_pick_of_nothing_is_an_error() -> None:
    with pytest.raises(IndexError):
        Draw.of("x").pick([])


@given(st.integers(0, 30), st.integers(0, 30), st.integers())
def test_distinct_is_distinct_and_ascending(count: int, spare: int, name: int) -> None:
    chosen = Draw.of(name).distinct(count, count + spare)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == count
    assert all(0 <= item < count + spare for item in chosen)


def test_every_set_has_equal_chance() -> None:
    sets = Counter(tuple(Draw.of("set", name).distinct(3, 7)) for name in range(10_500))
    assert fair(sets, list(combinations(range(7), 3))) > 1e-3


def test_every_order_has_equal_chance() -> None:
    orders = Counter(tuple(Draw.of("order", name).order(4)) for name in range(9_600))
    assert fair(orders, list(permutations(range(4)))) > 1e-3
    # The same test detects the most common mistake: swapping with any item.
    naive = Counter(_naive_order(Draw.of("order", name), 4) for name in range(9_600))
    assert fair(naive, list(permutations(range(4)))) < 1e-3


def _naive_order(draw: Draw, count: int) -> tuple[int, ...]:
    items = list(range(count))
    for position, bits in enumerate(draw.bits(count)):
        swapped = bits * count >> 64
        items[position], items[swapped] = items[swapped], items[position]
    return tuple(items)


def test_orders_of_zero_and_one_items() -> None:
    assert Draw.of("x").order(0) == []
    assert Draw.of("x").order(1) == [0]
    assert Draw.of("x").distinct(0, 0) == []
