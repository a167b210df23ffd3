"""Intervals of means and of distances by the bootstrap, and paired tests between systems.

Every function takes groups: where pairs share kits, they are not independent, and kits are drawn instead of pairs.

The random numbers are SplitMix64 (Steele, Lea and Flood 2014), computed here for whole arrays from a seed and a
counter, so that a figure is the same on every machine and with every version of NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.draw import Draw
from rmod_pipeline.evaluation.figures.distribution_distances import DistributionDistance, Embeddings

LEVEL = 0.95
DRAWS = 2000
"""Draws of a bootstrap, and sign flips of a test."""
DISTANCE_DRAWS = 200
"""Draws of a bootstrap of FAD or KAD."""
_CHUNK = 1 << 21
"""Random numbers that are held at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A figure with its interval."""

    mean: float
    """The figure itself: the mean, or the distance."""
    low: float | None
    high: float | None
    """None if there is only one value or group, from which no spread can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """How much two systems differ on the same pairs."""

    difference: float
    """Mean of a minus b; below 0, a is nearer."""
    low: float | None
    high: float | None
    """Interval of the difference."""
    p: float
    """Two-sided p-value of the sign-flip test."""
    share_a_lower: float
    """Share of the pairs, 0..1, in which a is lower than b; equal values count as half."""


def bootstrap_interval(
    values: NDArray[np.floating],
    groups: Sequence[str] | None = None,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return the mean of values [n] with an interval, over values or over groups.

    Percentile bootstrap: values, or whole groups with all their values, are drawn with replacement. The percentiles are
    widened for few of them: those of Student's t with the number of draws minus 1, times sqrt(n / (n - 1)), instead of
    the normal distribution (Hesterberg 2015, expanded percentile interval). Raises ValueError for no values or NaN.
    """
    clusters = _Clusters.of(values, groups)
    if clusters.count < 2:
        return Interval(mean=clusters.mean, low=None, high=None)
    means = clusters.draw_means(draws, seed)
    low, high = np.quantile(means, _expanded_levels(level, clusters.count))
    return Interval(mean=clusters.mean, low=float(low), high=float(high))


def bootstrap_sums(
    sums: NDArray[np.floating],
    figure: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    groups: Sequence[str] | None = None,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a figure that is no mean but a function of sums, such as an F1 score, with its interval.

    sums [n, k]: what each item adds. ``figure`` maps sums over items [m, k] to figures [m]. The interval is that of
    ``bootstrap_interval``; draws whose figure is NaN, as when no item of a class is drawn, are left out. Raises
    ValueError for no items.
    """
    clusters = _Clusters.of(np.zeros(len(sums)), groups)
    per_group = np.zeros((clusters.count, sums.shape[1]))
    np.add.at(per_group, clusters.indices, np.asarray(sums, np.float64))
    found = float(figure(per_group.sum(0)[None])[0])
    if clusters.count < 2:
        return Interval(mean=found, low=None, high=None)
    drawn = np.concatenate([figure(counts @ per_group) for counts in clusters.draw_counts(draws, seed)])
    drawn = drawn[np.isfinite(drawn)]
    if not drawn.size:
        return Interval(mean=found, low=None, high=None)
    low, high = np.quantile(drawn, _expanded_levels(level, clusters.count))
    return Interval(mean=found, low=float(low), high=float(high))


def compare_paired(
    estimate: NDArray[np.floating],
    other: NDArray[np.floating],
    groups: Sequence[str] | None = None,
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> PairedComparison:
    """Compare two systems by their values [n] on the same pairs: difference, interval, test.

    The interval is that of ``bootstrap_interval``. The test flips signs: if both systems were alike, each pair's
    difference, or all differences of a group together, could as well have the other sign. p is the share of flips
    whose mean difference is as far from 0 as the one found, the one found counted in; up to 10 pairs or groups have
    all their flips tried, more have ``draws`` random ones. Raises ValueError for other shapes, no values or NaN.
    """
    first, second = np.asarray(estimate, np.float64), np.asarray(other, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"{first.shape} and {second.shape} values: a comparison needs the same pairs")
    difference = first - second
    interval = bootstrap_interval(difference, groups, level=level, draws=draws, seed=seed)
    clusters = _Clusters.of(difference, groups)
    lower = (difference < 0).mean() + (difference == 0).mean() / 2
    return PairedComparison(
        difference=interval.mean,
        low=interval.low,
        high=interval.high,
        p=_flip_signs(clusters.sums, draws, seed),
        share_a_lower=float(lower),
    )


def bootstrap_distance(
    distance: DistributionDistance,
    estimate: Embeddings,
    reference: Embeddings,
    groups: Sequence[str] | None = None,
    *,
    level: float = LEVEL,
    draws: int = DISTANCE_DRAWS,
    seed: int = 0,
) -> Interval:
    """Return the distance of embeddings [n, d] from a reference [n, d] with an interval, over pairs or over groups.

    Row i of both belongs to pair i, and pairs are drawn with replacement, with both rows. Copies of a sound make
    a set look less varied than it is, which raises FAD. So the draws are shifted to have the distance itself as their
    mean. Their percentiles are the interval, as in ``bootstrap_interval``; what few items add to FAD is still in
    it. Raises TooFewItemsError as the distance does, ValueError for unequal numbers of rows.
    """
    if len(estimate) != len(reference):
        raise ValueError(f"{len(estimate)} and {len(reference)} rows: pairs have a row on either side")
    found = distance.measure(estimate, reference)
    clusters = _Clusters.of(np.zeros(len(estimate)), groups)
    if clusters.count < 2:
        return Interval(mean=found, low=None, high=None)
    # A draw of copies of a single pair has no spread; such draws are rare and left out.
    weights = np.concatenate([counts[:, clusters.indices] for counts in clusters.draw_counts(draws, seed)])
    weights = weights[(weights > 0).sum(1) > 1].astype(np.float64)
    values = distance.resample(estimate, reference, weights, weights)
    shifted = values - values.mean() + found
    low, high = np.quantile(shifted, _expanded_levels(level, clusters.count))
    return Interval(mean=found, low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clusters:
    """What is drawn: groups of values, or each value by itself."""

    indices: NDArray[np.intp]
    """[n]: the group of each value."""
    sums: NDArray[np.float64]
    """[groups]"""
    sizes: NDArray[np.float64]
    """[groups]"""

    @classmethod
    def of(cls, values: NDArray[np.floating], groups: Sequence[str] | None) -> _Clusters:
        """Group values [n] by the names of their groups, in alphabetical order."""
        array = np.asarray(values, np.float64)
        if array.ndim != 1 or not array.size or not np.isfinite(array).all():
            raise ValueError("values must be a finite array [n] of at least one number")
        if groups is None:
            return cls(indices=np.arange(array.size), sums=array, sizes=np.ones(array.size))
        if len(groups) != array.size:
            raise ValueError(f"{len(groups)} groups for {array.size} values")
        _, indices = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        sums, sizes = np.bincount(indices, array), np.bincount(indices)
        return cls(indices=indices, sums=sums.astype(np.float64), sizes=sizes.astype(np.float64))

    @property
    def count(self) -> int:
        """The number of groups."""
        return self.sums.size

    @property
    def mean(self) -> float:
        """The mean of all values."""
        return float(self.sums.sum() / self.sizes.sum())

    def draw_means(self, draws: int, seed: int) -> NDArray[np.float64]:
        """Return the means [draws] of groups drawn with replacement."""
        means = [(counts @ self.sums) / (counts @ self.sizes) for counts in self.draw_counts(draws, seed)]
        return np.concatenate(means)

    def draw_counts(self, draws: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Yield how often each group is drawn: [some draws, groups], until all draws are made."""
        for first, some in _cut_draws(draws, self.count):
            yield _count_draws(seed, self.count, first, some)


def _flip_signs(sums: NDArray[np.float64], draws: int, seed: int) -> float:
    """Return the p-value of sums [groups] of differences under flips of their signs."""
    found, count = abs(sums.sum()), sums.size
    limit = found * (1 - 1e-12)  # equal sums may differ by rounding
    if count <= 10:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float((np.abs((1 - 2.0 * flips) @ sums) >= limit).mean())
    as_far = 0
    for first, some in _cut_draws(draws, count):
        as_far += int((np.abs(_draw_signs(seed, count, first, some) @ sums) >= limit).sum())
    return (1 + as_far) / (1 + draws)


# A table has hundreds of intervals over the same number of pairs, and all use the same draws.
@lru_cache(maxsize=4)
def _count_draws(seed: int, count: int, first: int, draws: int) -> NDArray[np.float64]:
    """Return how often each of ``count`` groups is drawn: [draws, count], from the draw ``first`` on."""
    bits = _random_bits("bootstrap", seed, first * count, draws * count)
    # The high half of the bits, scaled: its bias, at most count / 2**32, is far too small to measure.
    chosen = ((bits >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
    rows = np.repeat(np.arange(draws), count) * count
    counts = np.bincount(rows + chosen.astype(np.intp), minlength=draws * count)
    return counts.reshape(draws, count).astype(np.float64)


@lru_cache(maxsize=4)
def _draw_signs(seed: int, count: int, first: int, draws: int) -> NDArray[np.float64]:
    """Return random signs, 1 or -1: [draws, count], from the draw ``first`` on."""
    bits = _random_bits("sign flips", seed, first * count, draws * count).reshape(draws, count)
    signs: NDArray[np.float64] = np.where(bits >> np.uint64(63), -1.0, 1.0)
    return signs


def _expanded_levels(level: float, count: int) -> tuple[float, float]:
    """Return the percentiles of an interval of ``level``, widened for a small number of values."""
    from scipy.special import ndtr, stdtrit

    tail = float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))
    return tail, 1 - tail


def _cut_draws(draws: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield the first draw and the number of draws of every chunk."""
    step = max(_CHUNK // count, 1)
    for first in range(0, draws, step):
        yield first, min(step, draws - first)


def _random_bits(name: str, seed: int, first: int, count: int) -> NDArray[np.uint64]:
    """Return numbers ``first`` to ``first + count`` of a stream of 64-bit integers: SplitMix64."""
    start = np.uint64(Draw.of(name, seed).bits(1)[0])
    with np.errstate(over="ignore"):
        counters = np.arange(first + 1, first + count + 1, dtype=np.uint64)
        state = start + counters * np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return state ^ (state >> np.uint64(31))
