"""FAD and KAD: closed forms, direct sums, bias, and too few items said instead of computed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import sqrtm

from rmod_pipeline.evaluation.figures.distribution_distances import (
    DISTANCES,
    TooFewItemsError,
    fit_projection,
    frechet_distance,
    half_against_half,
    kernel_distance,
    median_distance,
)


def make_items(count: int, dimensions: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((count, dimensions))


def give_moments(
    items: NDArray[np.float64], mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return items with exactly this mean and unbiased covariance."""
    centred = items - items.mean(0)
    white = centred @ np.linalg.inv(np.linalg.cholesky(np.cov(centred.T))).T
    moved: NDArray[np.float64] = white @ np.linalg.cholesky(covariance).T + mean
    return moved


@given(seed=st.integers(0, 999), dimensions=st.integers(1, 12))
@settings(max_examples=30)
def test_fad_is_the_closed_form_of_gaussians(seed: int, dimensions: int) -> None:
    factors = np.random.default_rng(seed).standard_normal((2, dimensions, dimensions))
    first, second = (factor @ factor.T + 0.1 * np.eye(dimensions) for factor in factors)
    mean = np.linspace(-1, 1, dimensions)
    expected = mean @ mean + np.trace(first + second - 2 * sqrtm(first @ second).real)
    count = dimensions + 20
    zero = np.zeros(dimensions)
    if dimensions == 1:
        one, other = (make_items(count, 1, each) for each in (1, 2))
        one = (one - one.mean()) / one.std(ddof=1) * np.sqrt(first[0, 0])
        other = (other - other.mean()) / other.std(ddof=1) * np.sqrt(second[0, 0]) + mean
    else:
        one = give_moments(make_items(count, dimensions, 1), zero, first)
        other = give_moments(make_items(count, dimensions, 2), mean, second)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert frechet_distance(other, one) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_equal_sets_have_no_fad_and_items_without_spread_do_not_harm() -> None:
    items = make_items(50, 6)
    assert frechet_distance(items, items[::-1]) == pytest.approx(0, abs=1e-9)
    items[:, 3] = 0.5
    moved = items + np.array([0, 0, 0, 2, 0, 0])
    assert frechet_distance(moved, items) == pytest.approx(4)


@given(seed=st.integers(0, 999), count=st.integers(2, 12), others=st.integers(3, 12))
@settings(max_examples=30)
def test_kad_is_the_direct_sum(seed: int, count: int, others: int) -> None:
    estimate, reference = make_items(count, 3, seed), make_items(others, 3, seed + 1) + 0.5
    distances = [float(np.linalg.norm(a - b)) for i, a in enumerate(reference) for b in reference[:i]]
    width = float(np.median(distances))
    assert median_distance(reference) == pytest.approx(width)

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float(np.exp(-(np.linalg.norm(a - b) ** 2) / (2 * width**2)))

    def within(items: NDArray[np.float64]) -> float:
        values = [kernel(a, b) for i, a in enumerate(items) for j, b in enumerate(items) if i != j]
        return sum(values) / len(values)

    across = np.mean([kernel(a, b) for a in estimate for b in reference])
    expected = 100 * (within(estimate) + within(reference) - 2 * across)
    assert kernel_distance(estimate, reference) == pytest.approx(expected, abs=1e-9)


def test_fad_of_equal_distributions_falls_with_more_items_and_kad_has_no_bias() -> None:
    """The bias that stands beside every figure."""
    bias, kernel = [], []
    for count in (20, 80, 320):
        halves = [(make_items(count, 8, 2 * seed), make_items(count, 8, 2 * seed + 1)) for seed in range(40)]
        bias.append(np.mean([frechet_distance(one, other) for one, other in halves]))
        values = [kernel_distance(one, other) for one, other in halves]
        kernel.append(abs(np.mean(values)) / (np.std(values) / np.sqrt(len(values))))
    assert all(few > 3 * many for few, many in pairwise(bias))
    assert max(kernel) < 3, "within three standard errors of 0"


def test_halves_depend_on_keys_and_seed_alone() -> None:
    items, keys = make_items(41, 5), [f"test-{number:08d}" for number in range(41)]
    order = np.random.default_rng(1).permutation(41)
    for distance in DISTANCES.values():
        value = half_against_half(items, 3, keys=keys, distance=distance)
        shuffled = half_against_half(items[order], 3, keys=[keys[row] for row in order], distance=distance)
        assert value == pytest.approx(shuffled)
        assert value != pytest.approx(half_against_half(items, 4, keys=keys, distance=distance))
    assert half_against_half(items, 3) >= 0
    with pytest.raises(ValueError, match="2 keys for 41 rows"):
        half_against_half(items, 0, keys=["a", "b"])


def test_weights_count_items_several_times() -> None:
    estimate, reference = make_items(12, 3), make_items(14, 3, 1)
    counts = np.array([2, 0, 1, 1, 3, 1, 0, 1, 1, 1, 1, 0])
    copies = np.repeat(estimate, counts, axis=0)
    ones = np.ones((1, 14))
    fad = DISTANCES["FAD"].resample(estimate, reference, counts[None].astype(float), ones)
    assert fad[0] == pytest.approx(frechet_distance(copies, reference))
    equal = np.ones((1, 12))
    kad = DISTANCES["KAD"].resample(estimate, reference, equal, ones)
    assert kad[0] == pytest.approx(kernel_distance(estimate, reference))


def test_too_few_items_are_said_and_not_computed() -> None:
    few, enough = make_items(8, 8), make_items(9, 8)
    with pytest.raises(TooFewItemsError, match=r"reference: 8 items, a covariance of 8 dimensions needs 9 or more"):
        frechet_distance(enough, few)
    with pytest.raises(TooFewItemsError, match="embeddings of the estimate"):
        frechet_distance(few, enough)
    assert frechet_distance(enough, enough) == pytest.approx(0, abs=1e-9)
    with pytest.raises(TooFewItemsError, match="1 item, KAD needs 2 or more"):
        kernel_distance(few[:1], few)
    with pytest.raises(TooFewItemsError, match="have no 8 main components"):
        fit_projection(few, 8)
    with pytest.raises(ValueError, match="NaN"):
        frechet_distance(np.full((9, 8), np.nan), enough)
    with pytest.raises(ValueError, match="not"):
        kernel_distance(enough[:, :3], enough)


def test_a_projection_keeps_the_main_directions() -> None:
    items = make_items(200, 6) * [5, 4, 3, 1e-3, 1e-3, 1e-3]
    projection = fit_projection(items, 3)
    np.testing.assert_allclose(projection.components.T @ projection.components, np.eye(3), atol=1e-12)
    moved = items + np.eye(6)[0]
    full = frechet_distance(moved, items)
    assert frechet_distance(projection.apply(moved), projection.apply(items)) == pytest.approx(full, rel=1e-4)


def test_figures_bear_the_name_of_their_embedding() -> None:
    assert [distance.label("YAMNet") for distance in DISTANCES.values()] == ["FAD-YAMNet", "KAD-YAMNet"]
