"""Intervals that cover, tests that keep their level, and the same figures everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.evaluation.figures.distribution_distances import DISTANCES, TooFewItemsError, kernel_distance
from rmod_pipeline.evaluation.figures.statistics import (
    Interval,
    PairedComparison,
    bootstrap_distance,
    bootstrap_interval,
    compare_paired,
)

TRIALS = 400


def covers(interval: Interval, value: float) -> bool:
    assert interval.low is not None
    assert interval.high is not None
    return interval.low <= value <= interval.high


def count_covered(trials: list[bool]) -> float:
    return float(np.mean(trials))


def test_intervals_over_pairs_cover_the_mean_in_95_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    trials = [
        covers(bootstrap_interval(rng.gamma(2.0, 1.0, 60), draws=500, seed=trial % 3), 2.0) for trial in range(TRIALS)
    ]
    assert 0.92 <= count_covered(trials) <= 0.98


def test_intervals_over_kits_cover_the_mean_and_those_over_pairs_do_not() -> None:
    rng = np.random.default_rng(0)
    kits = np.repeat(np.arange(12), 8)
    names = [f"kit {kit}" for kit in kits]
    over_kits, over_pairs = [], []
    for trial in range(TRIALS):
        values = rng.standard_normal(12)[kits] + rng.standard_normal(kits.size)
        over_kits.append(covers(bootstrap_interval(values, names, draws=500, seed=trial % 3), 0.0))
        over_pairs.append(covers(bootstrap_interval(values, draws=500, seed=trial % 3), 0.0))
    assert 0.92 <= count_covered(over_kits) <= 0.98
    assert count_covered(over_pairs) < 0.8


@pytest.mark.long
def test_intervals_of_kad_cover_the_distance() -> None:
    rng = np.random.default_rng(0)
    truth = kernel_distance(rng.standard_normal((3000, 4)), 1.2 * rng.standard_normal((3000, 4)) + 0.3)
    trials = []
    for _ in range(150):
        estimate, reference = rng.standard_normal((100, 4)), 1.2 * rng.standard_normal((100, 4)) + 0.3
        trials.append(covers(bootstrap_distance(DISTANCES["KAD"], estimate, reference, draws=200), truth))
    assert 0.89 <= count_covered(trials) <= 0.99


@pytest.mark.long
def test_intervals_of_fad_cover_its_mean_at_that_number_of_items() -> None:
    rng = np.random.default_rng(0)
    intervals = [
        bootstrap_distance(
            DISTANCES["FAD"], rng.standard_normal((100, 4)), 1.2 * rng.standard_normal((100, 4)) + 0.3, draws=100
        )
        for _ in range(150)
    ]
    mean = float(np.mean([interval.mean for interval in intervals]))
    assert 0.88 <= count_covered([covers(interval, mean) for interval in intervals]) <= 0.99


def test_a_test_between_equal_systems_finds_a_difference_in_5_of_100_cases() -> None:
    rng = np.random.default_rng(0)
    for groups in (None, [str(row // 4) for row in range(80)]):
        spread = rng.standard_normal((TRIALS, 80)) + np.repeat(rng.standard_normal((TRIALS, 20)), 4, axis=1)
        values = rng.standard_normal((TRIALS, 80)) if groups is None else spread
        zeros = np.zeros(80)
        significant = [compare_paired(row, zeros, groups, draws=400).p <= 0.05 for row in values]
        assert 0.02 <= np.mean(significant) <= 0.085


def test_a_difference_is_found_and_says_who_is_lower() -> None:
    rng = np.random.default_rng(0)
    better = rng.standard_normal(100)
    found = compare_paired(better, better + 0.5 + 0.1 * rng.standard_normal(100))
    assert found.difference == pytest.approx(-0.5, abs=0.05)
    assert found.p == 1 / 2001
    assert found.high is not None
    assert found.high < 0
    assert found.share_a_lower == 1
    turned = compare_paired(better + 0.5, better)
    assert turned.difference == pytest.approx(0.5)
    assert turned.share_a_lower == 0
    equal = compare_paired(better, better)
    assert equal == PairedComparison(difference=0, low=0, high=0, p=1, share_a_lower=0.5)


def test_few_groups_have_all_their_flips_tried() -> None:
    values = np.array([1.0, 2.0, 3.0, 0.5, 1.5])
    assert compare_paired(values, np.zeros(5)).p == pytest.approx(2 / 2**5)
    assert compare_paired(np.repeat(values, 3), np.zeros(15), [str(row // 3) for row in range(15)]).p == 2 / 2**5
    assert compare_paired(values, np.zeros(5), ["one"] * 5).p == 1


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(0, 2**63 - 1))
@settings(max_examples=30)
def test_an_interval_lies_within_the_values_and_does_not_depend_on_the_order_of_groups(
    values: list[float], seed: int
) -> None:
    array = np.array(values)
    interval = bootstrap_interval(array, seed=seed, draws=100)
    assert interval.low is not None
    assert interval.high is not None
    slack = 1e-9 * max(1.0, float(np.abs(array).max()))
    assert array.min() - slack <= interval.low <= interval.high <= array.max() + slack
    groups = [str(row % 3) for row in range(array.size)]
    turned = bootstrap_interval(array[::-1].copy(), groups[::-1], seed=seed, draws=100)
    assert turned.mean == pytest.approx(bootstrap_interval(array, groups, seed=seed, draws=100).mean)
    assert turned.low == pytest.approx(bootstrap_interval(array, groups, seed=seed, draws=100).low, abs=1e-6)


def test_the_same_figures_everywhere() -> None:
    """Known values: a change of the random numbers changes every interval that was published."""
    values = np.arange(20.0) ** 2
    interval = bootstrap_interval(values, seed=7)
    assert [interval.low, interval.high] == pytest.approx(INTERVAL)
    grouped = bootstrap_interval(values, [str(row % 6) for row in range(20)], seed=7)
    assert [grouped.low, grouped.high] == pytest.approx(GROUPED)
    assert compare_paired(values, values[::-1] + 40, seed=7).p == pytest.approx(P_VALUE)


INTERVAL, GROUPED, P_VALUE = (
    [71.2228895053878, 179.47542209892245],
    [96.83333333333333, 142.01893074372066],
    0.4142928535732134,
)


def test_one_value_has_no_interval() -> None:
    assert bootstrap_interval(np.array([3.0])) == Interval(mean=3.0, low=None, high=None)
    assert bootstrap_interval(np.array([3.0, 5.0]), ["a", "a"]) == Interval(mean=4.0, low=None, high=None)


def test_values_that_cannot_be_used_are_refused() -> None:
    for values in (np.array([]), np.array([1.0, np.nan]), np.zeros((2, 2))):
        with pytest.raises(ValueError, match="finite array"):
            bootstrap_interval(values)
    with pytest.raises(ValueError, match="1 groups for 2 values"):
        bootstrap_interval(np.zeros(2), ["a"])
    with pytest.raises(ValueError, match="the same pairs"):
        compare_paired(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="a row on either side"):
        bootstrap_distance(DISTANCES["FAD"], np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(TooFewItemsError):
        bootstrap_distance(DISTANCES["FAD"], np.zeros((3, 4)), np.zeros((3, 4)))
