"""The measures of a report: tests of distributions, levels of sounds, entropy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy.stats import binom

from rmod_pipeline.audio import Pcm
from rmod_pipeline.distributions import Distribution, Number
from rmod_pipeline.draw import Draw
from rmod_pipeline.inspection.report import leaks
from rmod_pipeline.inspection.report.draws import list_draws, loop_period
from rmod_pipeline.inspection.report.laws import Rounded, correct_for_many, find_chances, find_excess, measure_fit
from rmod_pipeline.inspection.report.levels import (
    LevelKind,
    LevelMeter,
    count_full_scale_run,
    measure_offset,
    measure_silent_share,
)
from rmod_pipeline.inspection.report.limits import _check_tokens
from rmod_pipeline.inspection.report.records import CodebookUse
from rmod_pipeline.inspection.report.use import ALL_SOUNDS, compute_entropy_bits
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.load import parse_recipe
from tests.compose.compose_examples import Composer
from tests.tiny_build import RECIPE

LAWS = [
    {"constant": 3.5},
    {"uniform": [-12, -6]},
    {"log_uniform": [30, 2000]},
    {"integers": [2, 5]},
    {"choice": [4.0, 2.0, 1.0], "weights": [6, 3, 1]},
    {"normal": [100, 3]},
    {"normal": [15, 5.77], "clip": [5, 25]},
]


def law_of(content: object) -> Number:
    law: Number = TypeAdapter(Number).validate_python(content)
    return law


def sample(law: Distribution, count: int = 2000) -> list[float]:
    return [law.sample(Draw.of("test", number)) for number in range(count)]


@pytest.mark.parametrize("content", LAWS, ids=str)
def test_values_of_a_law_fit_it_and_shifted_ones_do_not(content: object) -> None:
    law = law_of(content)
    values = sample(law)
    assert measure_fit(law, values).p_value > 1e-3
    assert measure_fit(law, [value * 1.05 for value in values]).p_value < 1e-6


@pytest.mark.parametrize("content", LAWS[1:], ids=str)
def test_a_biased_half_is_found_and_its_positions_are_named(content: object) -> None:
    law = law_of(content)
    values = sample(law)
    usual = values[0]
    biased = [usual if number % 2 else value for number, value in enumerate(values)]
    assert measure_fit(law, biased).p_value < 1e-6
    assert set(range(1, len(values), 2)) <= set(find_excess(law, biased))
    # A tolerance of half of the values allows for it.
    assert measure_fit(law, biased, tolerance=0.55).p_value > 1e-3


def test_rounded_values_fit() -> None:
    for content in LAWS[1:]:
        law = Rounded(law_of(content))
        values = [round(value) for value in sample(law.law)]
        assert measure_fit(law, values).p_value > 1e-4
        chances = find_chances(law)
        assert chances is None or sum(chances.values()) == pytest.approx(1)


def test_false_alarms_are_as_rare_as_stated() -> None:
    law = law_of([0, 1])
    p_values = [
        measure_fit(law, [law.sample(Draw.of("alarm", run, number)) for number in range(50)]).p_value
        for run in range(400)
    ]
    assert 4 <= sum(p < 0.05 for p in p_values) <= 40
    assert min(correct_for_many(p_values)) > 0.001


def test_a_rare_outcome_is_no_surprise_beyond_its_exact_chance() -> None:
    """Of 2,000 values, 8 are expected to be rare; there, the tail of chi-square is far too light."""
    chances = {"rare": 0.004, "left": 0.498, "right": 0.498}
    fit = measure_fit(chances, Counter(rare=23, left=989, right=988))
    exact = float(binom.sf(22, 2000, 0.004))
    assert exact <= fit.p_value <= 10 * exact
    assert measure_fit(chances, Counter(rare=200, left=900, right=900)).p_value < 1e-9


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_correction_keeps_the_order_and_lowers_nothing(p_values: list[float]) -> None:
    adjusted = correct_for_many(p_values)
    assert all(p <= corrected <= 1 for p, corrected in zip(p_values, adjusted, strict=True))
    assert min(adjusted) == min(1, min(p_values) * len(p_values))
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    assert [adjusted[at] for at in order] == sorted(adjusted)


ANY_ORDER = """
name: shuffled
drums:
  kick:
    inserts:
      - any_order:
          - {effect: gain, gain_db: [-3, 0]}
          - {effect: pan, position: [0.4, 0.6]}
          - {effect: reverb, room: [0.1, 0.2], damping: 0.5, width: 1}
      - {effect: filter, passes: low, hz: [2000, 4000], probability: 0.5}
      - {effect: filter, passes: low, hz: [8000, 9000], probability: 0.5}
one_shots:
  semitones: [-2, 2]
  effects: [{effect: gain, gain_db: [-6, 0]}]
  layering: {none: 0.5, crossover: {probability: 0.4, hz: [200, 900]}}
"""


def test_open_orders_and_effects_that_look_alike_raise_no_alarm() -> None:
    recipe: Recipe = parse_recipe(ANY_ORDER)
    composer = Composer(recipe)
    columns: dict[str, tuple[object, list[object]]] = {}
    for index in range(400):
        for name, law, value in list_draws(recipe, composer.at(index)):
            columns.setdefault(name, (law, []))[1].append(value)
    assert {"kick inserts 0 order", "kick inserts 0.1 pan position", "kick one-shot 0 gain gain_db"} <= set(columns)
    assert {"kick layer semitones", "kick crossover present", "kick crossover hz", "kick weights"} <= set(columns)
    # Nobody can tell which of the two filters a single one is.
    assert not [name for name in columns if "filter" in name]
    fits = {name: measure_fit(law, values) for name, (law, values) in columns.items() if law is not None}  # type: ignore[arg-type]
    assert min(fit.p_value for fit in fits.values()) > 1e-4


def square(frames: int, period: int, level: int = 32767) -> Pcm:
    return (level * np.where(np.arange(frames) % period < period // 2, 1, -1)).astype(np.int16)[None]


def test_runs_at_full_scale_are_counted_in_each_direction() -> None:
    assert count_full_scale_run(square(1000, 80)) == 40
    assert count_full_scale_run(square(1000, 80, 32766)) == 0
    quiet = np.zeros((2, 100), np.int16)
    quiet[1, 10:13] = -32768
    quiet[1, 20:22] = 32767
    assert count_full_scale_run(quiet) == 3
    assert count_full_scale_run(quiet[:, :0]) == 0


def test_offset_and_silence_are_measured() -> None:
    pcm = np.zeros((2, 22_050), np.int16)
    assert measure_offset(pcm) == measure_offset(pcm[:, :0]) == -120
    assert measure_silent_share(pcm[:, :9], 22_050) == 0, "too short for a block"
    pcm[1] = 3277
    assert measure_offset(pcm) == pytest.approx(-20, abs=0.01)
    pcm[:, 11_025:] = 0
    assert measure_silent_share(pcm, 22_050) == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.floats(-130, 30), min_size=1, max_size=60), st.integers(1, 9))
def test_a_meter_gives_the_same_summary_for_any_batches(values: list[float], size: int) -> None:
    kind = LevelKind(name="mix lufs", unit="LUFS", source="index", low=-120, high=20, step=0.1, least=-50, most=-10)
    whole, parts = LevelMeter(kind), LevelMeter(kind)
    keys = [f"train-{number:08d}" for number in range(len(values))]
    whole.add(np.array(values), keys)
    whole.add(np.array([np.nan, np.inf]), ["unknown"] * 2)
    for start in range(0, len(values), size):
        parts.add(np.array(values[start : start + size]), keys[start : start + size])
    summary = whole.summarize()
    assert (summary.lowest, summary.highest) == (parts.summarize().lowest, parts.summarize().highest)
    assert summary.histogram == parts.summarize().histogram
    assert sum(summary.histogram) == summary.count == len(values)
    assert (summary.below, summary.above) == (sum(v < -50 for v in values), sum(v > -10 for v in values))
    assert summary.lowest[0].value == min(values)
    assert list(summary.percentiles.values()) == sorted(summary.percentiles.values())


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_entropy_lies_between_zero_and_that_of_equal_shares(counts: list[int]) -> None:
    entropy = compute_entropy_bits(np.array(counts))
    assert 0 <= entropy <= np.log2(max(sum(count > 0 for count in counts), 1)) + 1e-9


def test_a_bin_of_rare_outcomes_is_tested_with_its_neighbours() -> None:
    chances = dict.fromkeys(range(1920), 1 / 1920)
    values = [round(959 * Draw.of("low", number).uniform()) for number in range(200)]
    assert measure_fit(chances, Counter(values)).p_value < 1e-6


def test_a_tolerance_forgives_its_share_and_no_more() -> None:
    chances = {"a": 0.4, "b": 0.4, "c": 0.2}
    forgiven = measure_fit(chances, Counter(a=700, b=200, c=100), tolerance=0.1).p_value
    assert forgiven == pytest.approx(measure_fit(chances, Counter(a=600, b=267, c=133)).p_value, rel=0.1)
    assert forgiven < 1e-6


def test_a_period_of_any_length_is_tested_in_seconds() -> None:
    """A period of a list of lengths is tested in frames."""
    of_any_length = RECIPE.replace("{choice: [0.5, 1.0]}", "[0.5, 1.0]")
    assert of_any_length != RECIPE
    for text, period in ((of_any_length, 0.75), (RECIPE.replace("[0.5, 1.0]}", "[0.5, 0.75]}"), 16_538)):
        law, value = loop_period(parse_recipe(text), "bass", 16_538)
        assert value == pytest.approx(period, abs=1e-4)
        assert measure_fit(law, [value]).deviation < 1


def test_a_codebook_of_which_little_is_used_is_found() -> None:
    use = CodebookUse(
        codec="mini", sound=ALL_SOUNDS, codebook=0, size=1024, tokens=100, used=10, entropy_bits=3.0, keys=("a",)
    )
    thresholds: Any = SimpleNamespace(tokens=SimpleNamespace(used_share_min=0.2, entropy_bits_min=None))
    (found,) = _check_tokens([use], thresholds)
    assert (found.threshold, found.value, found.keys) == ("tokens.used_share_min", 0.1, ("a",))
    assert not list(_check_tokens([replace(use, used=20), replace(use, sound="mix")], thresholds))


def test_sounds_of_one_split_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "find_candidate_pairs", lambda _: iter([(0, 1)]))
    sounds = leaks.SoundsOfKind(names=["a", "b"], splits=["train", "train"], fingerprints=[np.ones(3, np.float32)] * 2)
    assert not list(leaks._list_candidates(sounds))
    sounds.splits[1] = "valid"
    assert list(leaks._list_candidates(sounds)) == [(0, 1)]
