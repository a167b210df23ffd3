"""Samples follow the distribution in a recipe, and stay within its limits."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy import stats

from rmod_pipeline.distributions import Integer, Number, OneOf, Probability, Within, Word, round_to_six_digits
from rmod_pipeline.draw import Draw

number: TypeAdapter[Any] = TypeAdapter(Number)
integer: TypeAdapter[Any] = TypeAdapter(Integer)
word: TypeAdapter[Any] = TypeAdapter(Word)
DRAWS = 4000


def sample_many(written: Any, adapter: TypeAdapter[Any] = number, count: int = DRAWS) -> list[Any]:
    distribution = adapter.validate_python(written)
    return [distribution.sample(Draw.of("test", index)) for index in range(count)]


def refusal(written: Any, adapter: TypeAdapter[Any] = number) -> str:
    with pytest.raises(ValidationError) as error:
        adapter.validate_python(written)
    return str(error.value)


ends = st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)).map(sorted)
positive_ends = st.tuples(st.floats(1e-3, 1e5), st.floats(1e-3, 1e5)).map(sorted)
numbers = st.one_of(
    st.floats(-1e6, 1e6),
    ends,
    ends.map(lambda pair: {"uniform": pair}),
    positive_ends.map(lambda pair: {"log_uniform": pair}),
    st.tuples(st.integers(-99, 99), st.integers(-99, 99)).map(lambda pair: {"integers": sorted(pair)}),
    st.tuples(st.floats(-99, 99), st.floats(0, 9)).map(lambda pair: {"normal": list(pair)}),
    st.tuples(st.floats(-99, 99), st.floats(0, 9), ends).map(lambda law: {"normal": list(law[:2]), "clip": law[2]}),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9).map(lambda values: {"choice": values}),
)


@given(numbers, st.integers())
def test_a_sample_is_within_the_support(written: Any, index: int) -> None:
    distribution = number.validate_python(written)
    low, high = distribution.support()
    value = distribution.sample(Draw.of(index))
    # Six digits are kept, so a sample can exceed an end with more digits by half a unit of the sixth.
    slack = 5.01e-6 * max(abs(low), abs(high)) if math.isfinite(low) else 0
    assert low - slack <= value <= high + slack
    assert math.isfinite(value)


@given(numbers)
def test_a_distribution_survives_json(written: Any) -> None:
    distribution = number.validate_python(written)
    assert number.validate_python(number.dump_python(distribution, mode="json")) == distribution
    assert number.validate_json(number.dump_json(distribution)) == distribution


@given(st.floats(-1e300, 1e300))
def test_six_digits_are_kept(value: float) -> None:
    assert round_to_six_digits(value) == pytest.approx(value, rel=1e-5)
    assert round_to_six_digits(round_to_six_digits(value)) == round_to_six_digits(value)
    assert float(f"{round_to_six_digits(value):.6g}") == round_to_six_digits(value)


LAWS = {
    "uniform": ([2, 10], stats.uniform(2, 8)),
    "log-uniform": ({"log_uniform": [30, 3000]}, stats.loguniform(30, 3000)),
    "normal": ({"normal": [100, 3]}, stats.norm(100, 3)),
}


@pytest.mark.parametrize("name", LAWS)
def test_samples_follow_the_distribution(name: str) -> None:
    written, law = LAWS[name]
    values = sample_many(written)
    assert stats.kstest(values, law.cdf).pvalue > 1e-3
    # The same test detects a planted bias: all values moved by a tenth of the standard deviation.
    moved = [value + 0.1 * law.std() for value in values]
    assert stats.kstest(moved, law.cdf).pvalue < 1e-3


def test_uniform_is_not_log_uniform() -> None:
    assert stats.kstest(sample_many([30, 3000]), stats.loguniform(30, 3000).cdf).pvalue < 1e-3


@pytest.mark.parametrize(("written", "adapter"), [({"integers": [2, 4]}, number), ([2, 4], integer)])
def test_integers_are_equally_likely_with_both_ends(written: Any, adapter: TypeAdapter[Any]) -> None:
    counts = Counter(sample_many(written, adapter))
    assert sorted(counts) == [2, 3, 4]
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3
    assert stats.chisquare([counts[2] - 150, counts[3], counts[4] + 150]).pvalue < 1e-3


def test_weights_are_probabilities() -> None:
    counts = Counter(sample_many({"choice": ["a", "b", "c"], "weights": [1, 3, 0]}, word))
    assert set(counts) == {"a", "b"}
    expected = [DRAWS / 4, DRAWS * 3 / 4]
    assert stats.chisquare([counts["a"], counts["b"]], expected).pvalue > 1e-3
    assert stats.chisquare([counts["a"] + 150, counts["b"] - 150], expected).pvalue < 1e-3


def test_clip_moves_values_to_the_end() -> None:
    values = sample_many({"normal": [100, 30], "clip": [90, 127]})
    assert min(values) == 90
    assert max(values) == 127
    assert values.count(90) == pytest.approx(DRAWS * stats.norm(100, 30).cdf(90), rel=0.1)


def test_short_forms_equal_long_forms() -> None:
    assert number.validate_python(4) == number.validate_python({"constant": 4})
    assert number.validate_python([2, 10]) == number.validate_python({"uniform": [2, 10]})
    assert integer.validate_python(4) == integer.validate_python({"integers": [4, 4]})
    assert integer.validate_python([2, 10]) == integer.validate_python({"integers": [2, 10]})
    assert word.validate_python("a") == word.validate_python({"choice": ["a"]})


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([10, 2], "out of order: 10 > 2"),
        ({"log_uniform": [0, 2]}, "ends above 0"),
        ({"normal": [0, -1]}, "negative"),
        ({"choice": []}, "at least 1"),
        ({"choice": [1, 2], "weights": [1]}, "2 values but 1 weights"),
        ({"choice": [1, 2], "weights": [0, 0]}, "not all 0"),
        ({"choice": [1, 2], "weights": [2, -1]}, "0 or more"),
        ({"unifrom": [1, 2]}, "not a random value"),
        ({"uniform": [1, 2], "clip": [1, 2]}, "clip"),
        ([1, 2, 3], "uniform"),
        ([1], "uniform"),
        ("loud", "not a random value"),
        (None, "not a random value"),
        (True, "not a random value"),
        (math.nan, "finite"),
        (math.inf, "finite"),
        ([0, math.inf], "finite"),
    ],
)
def test_an_invalid_number_is_refused(written: Any, message: str) -> None:
    assert message in refusal(written)


@pytest.mark.parametrize("written", [2.5, [1.5, 3], True, "2", {"uniform": [1, 2]}])
def test_an_invalid_whole_number_is_refused(written: Any) -> None:
    refusal(written, integer)


decibels: TypeAdapter[Any] = TypeAdapter(Annotated[Number, Within("dB", -80, 0)])


@pytest.mark.parametrize("written", [-80, 0, [-80, 0], {"choice": [-3, -6]}, {"normal": [-20, 9], "clip": [-40, 0]}])
def test_within_the_limits(written: Any) -> None:
    decibels.validate_python(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (1, "1 is outside what is allowed here, -80..0 dB"),
        ([-90, -10], "-90..-10 is outside"),
        ({"integers": [-3, 3]}, "-3..3 is outside"),
        ({"choice": [-3, 3]}, "-3..3 is outside"),
        ({"normal": [-20, 3]}, "needs `clip` here"),
        ({"normal": [-20, 3], "clip": [-30, 10]}, "-30..10 is outside"),
    ],
)
def test_outside_the_limits(written: Any, message: str) -> None:
    assert message in refusal(written, decibels)


def test_an_unknown_word_suggests_the_nearest() -> None:
    law: TypeAdapter[Any] = TypeAdapter(Annotated[Word, OneOf("linear", "constant_power")])
    assert "did you mean 'linear'" in refusal("linaer", law)
    assert "'x' is none of" in refusal({"choice": ["linear", "x"]}, law)


@pytest.mark.parametrize("written", [-0.1, 1.1, "often", math.nan])
def test_an_invalid_probability_is_refused(written: Any) -> None:
    refusal(written, TypeAdapter(Probability))


def test_a_draw_next_to_1_gives_the_last_value_however_the_weights_are_added() -> None:
    """The sum of ten tenths depends on how it is rounded."""
    choice = number.validate_python({"choice": list(range(10)), "weights": [0.1] * 10})
    assert choice.sample(SimpleNamespace(uniform=lambda: math.nextafter(1, 0))) == 9
