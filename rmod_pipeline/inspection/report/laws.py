"""Test drawn values against the distribution of a recipe: chi-square for choices, Kolmogorov-Smirnov for ranges.

The pairs of a data set are the attempts that were accepted. If a share of the attempts was rejected, any probability
may differ from the recipe's by that share without a mistake in a draw. So every test has a tolerance: the part of the
values that may lie elsewhere. It is moved to where the recipe expects it, as far as that helps, before the test.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.distributions import (
    Choice,
    Constant,
    Distribution,
    Integers,
    LogUniform,
    Normal,
    Uniform,
    round_to_six_digits,
)
from rmod_pipeline.inspection.report.records import Outcome

FEWEST = 8
"""Smallest expected count in a bin of a chi-square test; rarer outcomes are merged."""

MANY = 200
"""Expected count from which chi-square is exact enough in its tail."""

UNLIKELY = 1e-3
"""The p value below which the tail matters."""

MOST_OUTCOMES = 32
"""Outcomes of a draw that a report lists."""

INTERVALS = 10
"""Intervals of equal probability in which a report lists the values of a range."""

CHI_SQUARE, BINOMIAL, KOLMOGOROV, EXACT, TOO_FEW = "chi-square", "binomial", "Kolmogorov-Smirnov", "exact", "too few"

Chances = Mapping[Any, float]
"""The probability of every outcome."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rounded:
    """A distribution whose values are rounded to whole numbers."""

    law: Distribution


Law = Distribution | Rounded | Chances
"""What a value is drawn from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The result of one test."""

    test: str
    p_value: float
    deviation: float
    """Largest difference of shares; of cumulated shares for Kolmogorov-Smirnov."""
    outcomes: tuple[Outcome, ...] = field(default=())


def equal_chances(items: Iterable[Any]) -> dict[Any, float]:
    """Return equal probabilities; an item that occurs twice is twice as likely."""
    counts = Counter(items)
    return {item: count / counts.total() for item, count in counts.items()}


def add_chances(outcomes: Iterable[tuple[Any, float]]) -> dict[Any, float]:
    """Return the probability of every outcome; those of one that occurs twice are added."""
    chances: dict[Any, float] = {}
    for value, chance in outcomes:
        chances[value] = chances.get(value, 0.0) + chance
    return chances


def find_chances(law: Law) -> Chances | None:
    """Return the probability of every outcome of a discrete distribution; None for a continuous one."""
    if isinstance(law, Mapping):
        return law
    if isinstance(law, Rounded):
        return _round_chances(law.law)
    if isinstance(law, Constant):
        return {round_to_six_digits(law.constant): 1.0}
    if isinstance(law, Integers):
        low, high = law.integers
        return equal_chances(range(low, high + 1))
    if isinstance(law, Choice):
        weights = law.weights or [1.0] * len(law.choice)
        return add_chances((value, weight / sum(weights)) for value, weight in zip(law.choice, weights, strict=True))
    least, most = law.support()
    return {round_to_six_digits(least): 1.0} if least == most else None


def measure_fit(law: Law, values: Sequence[Any] | Counter[Any], tolerance: float = 0.0) -> Fit:
    """Test values, or counts of outcomes, against a distribution; counts need a discrete one.

    tolerance: the share of the values, 0..1, that may lie elsewhere. The p value is 0 for impossible values.
    """
    chances = find_chances(law)
    if chances is not None:
        return _test_counts(values if isinstance(values, Counter) else Counter(values), chances, tolerance)
    assert isinstance(law, Distribution)
    return _test_range(law, np.asarray(values, dtype=np.float64), tolerance)


def correct_for_many(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number, after Holm: the smallest one times their number, and so on."""
    adjusted, largest = [0.0] * len(p_values), 0.0
    order = sorted(range(len(p_values)), key=lambda position: p_values[position])
    for rank, position in enumerate(order):
        largest = max(largest, min(1.0, p_values[position] * (len(p_values) - rank)))
        adjusted[position] = largest
    return adjusted


def find_excess(law: Law, values: Sequence[Any]) -> list[int]:
    """Return the positions of values that are too frequent: impossible ones, else those of the fullest outcome."""
    chances = find_chances(law)
    if chances is None:
        assert isinstance(law, Distribution)
        cumulated = _cumulate(law)(np.asarray(values, dtype=np.float64))
        values = [*np.minimum((cumulated * INTERVALS).astype(int), INTERVALS - 1)]
        chances = equal_chances(range(INTERVALS))
    counts = Counter(values)
    share = {value: count / len(values) - chances.get(value, 0.0) for value, count in counts.items()}
    impossible = {value for value in counts if not chances.get(value)}
    wanted = impossible or {max(share, key=lambda value: (share[value], str(value)))}
    return [position for position, value in enumerate(values) if value in wanted]


def _round_chances(law: Distribution) -> Chances:
    """Return the probabilities of the rounded values of a distribution."""
    discrete = find_chances(law)
    if discrete is not None:
        return add_chances((round(value), chance) for value, chance in discrete.items())
    low, high = law.support()
    if isinstance(law, Normal) and not math.isfinite(low):
        # Beyond eight deviations lies less than the rounding of a float.
        low, high = (law.normal[0] + side * 8 * law.normal[1] for side in (-1, 1))
    cumulate = _cumulate(law)
    outcomes = range(round(low), round(high) + 1)
    edges = np.array([-math.inf, *(value + 0.5 for value in outcomes[:-1]), math.inf])
    below = np.concatenate([[0.0], cumulate(edges[1:-1]), [1.0]])
    return dict(zip(outcomes, map(float, np.diff(below)), strict=True))


def _cumulate(law: Distribution) -> Callable[[Floats], Floats]:
    """Return the cumulated probability of a continuous distribution as a function of values."""
    from scipy.special import ndtr

    if isinstance(law, Uniform):
        low, high = law.uniform
        return lambda values: np.clip((values - low) / (high - low), 0, 1)
    if isinstance(law, LogUniform):
        low, high = map(math.log, law.log_uniform)
        return lambda values: np.clip((np.log(np.maximum(values, 1e-300)) - low) / (high - low), 0, 1)
    assert isinstance(law, Normal)
    mean, deviation = law.normal
    return lambda values: ndtr((values - mean) / deviation)


def _test_counts(counts: Counter[Any], chances: Chances, tolerance: float) -> Fit:
    total = counts.total()
    listed = _list_outcomes(counts, chances, total) if len(chances) <= MOST_OUTCOMES else ()
    impossible = sum(count for value, count in counts.items() if not chances.get(value))
    if impossible:
        return Fit(test=EXACT, p_value=0.0, deviation=impossible / total, outcomes=listed)
    if sum(chance > 0 for chance in chances.values()) == 1:
        return Fit(test=EXACT, p_value=1.0, deviation=0.0, outcomes=listed)
    deviation = max(abs(counts[value] / max(total, 1) - chance) for value, chance in chances.items())
    expected, measured = _merge_rare([(chance * total, counts[value]) for value, chance in chances.items()])
    if len(expected) < 2:
        return Fit(test=TOO_FEW, p_value=1.0, deviation=deviation, outcomes=listed)
    moved = _forgive(measured, expected, tolerance * total)
    single = [_binomial(count, total, each / total) for count, each in zip(moved, expected, strict=True)]
    if len(expected) == 2:
        return Fit(test=BINOMIAL, p_value=single[0], deviation=deviation, outcomes=listed)
    p_value = _chi_square(moved, expected)
    if p_value < UNLIKELY and expected.min() < MANY:
        # So far out in its tail the chi-square distribution is too light for one rare outcome. What counts is then the
        # exact test of the single outcomes, corrected for their number, or what the others show without the worst.
        worst = int(((moved - expected) ** 2 / expected).argmax())
        without = _chi_square(np.delete(moved, worst), np.delete(expected, worst))
        p_value = max(p_value, min(without, len(single) * min(single)))
    return Fit(test=CHI_SQUARE, p_value=p_value, deviation=deviation, outcomes=listed)


def _list_outcomes(counts: Counter[Any], chances: Chances, total: int) -> tuple[Outcome, ...]:
    def label(value: Any) -> str:
        return " / ".join(map(str, value)) if isinstance(value, tuple) else str(value)

    extra = dict.fromkeys(sorted(counts.keys() - chances.keys(), key=str)[:MOST_OUTCOMES], 0.0)
    return tuple(
        Outcome(label=label(value), expected=chance, measured=counts[value] / max(total, 1))
        for value, chance in {**chances, **extra}.items()
    )


def _merge_rare(bins: Sequence[tuple[float, int]]) -> tuple[Floats, Floats]:
    """Return expected and measured counts, with neighbouring rare outcomes in one bin."""
    frequent = [(expected, count) for expected, count in bins if expected >= FEWEST]
    rest = (0.0, 0)
    for expected, count in bins:
        if expected < FEWEST:
            rest = rest[0] + expected, rest[1] + count
        if rest[0] >= FEWEST:
            frequent.append(rest)
            rest = (0.0, 0)
    if rest[0] > 0 and frequent:
        # They are too few for a bin of their own, so they join the smallest bin.
        smallest = min(range(len(frequent)), key=lambda position: frequent[position][0])
        frequent[smallest] = (frequent[smallest][0] + rest[0], frequent[smallest][1] + rest[1])
    elif rest[0] > 0:
        frequent.append(rest)
    return np.array([expected for expected, _ in frequent]), np.array([float(count) for _, count in frequent])


def _forgive(measured: Floats, expected: Floats, allowed: float) -> Floats:
    """Move at most ``allowed`` counts from the outcomes with too many to those with too few, where it helps most."""
    if allowed <= 0:
        return measured
    if np.maximum(measured - expected, 0).sum() <= allowed:
        return expected.copy()
    ratio = measured / expected
    high = _bisect(lambda level: np.maximum(measured - level * expected, 0).sum() - allowed, 1.0, float(ratio.max()))
    low = _bisect(lambda level: allowed - np.maximum(level * expected - measured, 0).sum(), 0.0, 1.0)
    return np.clip(ratio, low, high) * expected


def _bisect(falling: Callable[[float], float], low: float, high: float) -> float:
    """Return where a falling function is 0 between two points."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return (low + high) / 2


def _chi_square(measured: Floats, expected: Floats) -> float:
    from scipy.stats import chi2

    return float(chi2.sf(((measured - expected) ** 2 / expected).sum(), len(expected) - 1))


def _binomial(count: float, total: int, chance: float) -> float:
    from scipy.stats import binom

    # A count that was moved is rounded towards the expectation.
    whole = math.floor(count) if count > total * chance else math.ceil(count)
    return float(min(1.0, 2 * min(binom.cdf(whole, total, chance), binom.sf(whole - 1, total, chance))))


def _test_range(law: Distribution, values: Floats, tolerance: float) -> Fit:
    low, high = law.support()
    # Values have six significant digits, and times are rounded to frames.
    if math.isfinite(low):
        slack = 1e-4 * (high - low) + 1e-5 * max(abs(low), abs(high))
        outside = int(np.count_nonzero((values < low - slack) | (values > high + slack)))
        if outside:
            return Fit(test=EXACT, p_value=0.0, deviation=outside / len(values))
    cumulated = np.sort(_cumulate(law)(values))
    if isinstance(law, Normal) and law.clip:
        return _test_clipped(values, law, tolerance)
    shares = np.histogram(cumulated, INTERVALS, (0, 1))[0] / max(len(values), 1)
    outcomes = tuple(
        Outcome(label=f"{100 * part // INTERVALS} to {100 * (part + 1) // INTERVALS} %", expected=1 / INTERVALS,
                measured=float(share))
        for part, share in enumerate(shares)
    )  # fmt: skip
    if len(values) < FEWEST or _is_coarse(low, high):
        return Fit(test=TOO_FEW, p_value=1.0, deviation=0.0, outcomes=outcomes)
    return _kolmogorov_smirnov(cumulated, tolerance, outcomes)


def _is_coarse(low: float, high: float) -> bool:
    """Return whether six significant digits leave fewer than a thousand values in a range."""
    largest = max(abs(low), abs(high))
    return math.isfinite(largest) and high - low < 1000 * 10.0 ** (math.floor(math.log10(largest)) - 5)


def _kolmogorov_smirnov(cumulated: Floats, tolerance: float, outcomes: tuple[Outcome, ...]) -> Fit:
    from scipy.stats import kstwo

    count = len(cumulated)
    steps = np.arange(count + 1) / count
    distance = float(max((steps[1:] - cumulated).max(), (cumulated - steps[:-1]).max()))
    p_value = float(kstwo.sf(max(distance - tolerance, 0.0), count))
    return Fit(test=KOLMOGOROV, p_value=p_value, deviation=distance, outcomes=outcomes)


def _test_clipped(values: Floats, law: Normal, tolerance: float) -> Fit:
    """Test a clipped normal distribution by counts: both ends are outcomes of their own."""
    assert law.clip is not None
    cumulate = _cumulate(law)
    low, high = (float(end) for end in law.clip)
    ends = cumulate(np.array([low, high]))
    inner = np.linspace(ends[0], ends[1], INTERVALS + 1)
    parts = np.clip(np.searchsorted(inner, cumulate(values), side="right"), 1, INTERVALS)
    parts = np.where(values <= low, 0, np.where(values >= high, INTERVALS + 1, parts))
    labels = ["low end", *(f"interval {number}" for number in range(1, INTERVALS + 1)), "high end"]
    shares = [float(ends[0]), *[float(ends[1] - ends[0]) / INTERVALS] * INTERVALS, float(1 - ends[1])]
    # Six digits may move a value across an end.
    chances = {label: max(share, 1e-12) for label, share in zip(labels, shares, strict=True)}
    return _test_counts(Counter(labels[part] for part in parts), chances, tolerance)
