"""Figures equal those computed by hand and those of torchmetrics; restricted probabilities are what they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmod_pipeline.evaluation.classifiers.label_sets import list_label_sets
from rmod_pipeline.evaluation.classifiers.scores import METRICS, compute_figures, score
from rmod_pipeline.library.taxonomy import CLASSES

PROBABILITIES = np.array(
    [
        [0.9, 0.1, 0.0],  # kick, right
        [0.6, 0.4, 0.0],  # kick, right
        [0.3, 0.7, 0.0],  # kick, taken for a snare
        [0.2, 0.8, 0.0],  # snare, right
        [0.55, 0.25, 0.2],  # snare, taken for a kick
    ]
)
TRUTH = np.array([0, 0, 0, 1, 1])
KITS = ["a", "a", "b", "b", "c"]


def test_figures_equal_those_computed_by_hand() -> None:
    scores = score(PROBABILITIES, TRUTH, KITS)
    assert scores.accuracy.mean == pytest.approx(3 / 5)
    # Kick 2 of 3, snare 1 of 2; the third label has no sounds and does not count.
    assert scores.balanced_accuracy.mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Kick: precision 2/3, recall 2/3. Snare: precision 1/2, recall 1/2.
    assert scores.macro_f1.mean == pytest.approx((2 / 3 + 1 / 2) / 2)
    # Fifteen bins: no two confidences share one.
    gaps = [abs(0.9 - 1), abs(0.6 - 1), abs(0.7 - 0), abs(0.8 - 1), abs(0.55 - 0)]
    assert scores.calibration_error.mean == pytest.approx(sum(gaps) / 5, abs=1e-6)
    assert scores.confusion.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert scores.recalls[0] == pytest.approx(2 / 3)
    assert scores.recalls[1:] == (0.5, None)
    assert (scores.sounds, scores.families) == (5, 3)


@st.composite
def answers(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64], list[str]]:
    count, labels = draw(st.integers(3, 40)), draw(st.integers(2, 5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    rows = rng.dirichlet(np.full(labels, 0.3), count)
    rows[rng.random(count) < 0.2] = np.eye(labels)[0]
    return rows, rng.integers(0, labels, count), [f"kit {kit}" for kit in rng.integers(0, 6, count)]


@given(answers())
@settings(max_examples=20)
def test_intervals_are_about_the_figures_of_torchmetrics(
    example: tuple[NDArray[np.float64], NDArray[np.int64], list[str]],
) -> None:
    rows, truth, kits = example
    figures, scores = compute_figures(rows, truth), score(rows, truth, ["one kit"] * len(truth))
    spread = score(rows, truth, kits)
    for name in METRICS:
        # One kit has no interval. With every sound drawn once, the sums of the bootstrap give the figure itself.
        assert getattr(scores, name).low is None
        interval = getattr(spread, name)
        assert interval.mean == pytest.approx(figures[name], abs=1e-6)
        if interval.low is not None:
            assert 0 <= interval.low <= interval.high <= 1 + 1e-9


@given(answers())
@settings(max_examples=20)
def test_sums_of_the_bootstrap_give_the_figures_of_torchmetrics(
    example: tuple[NDArray[np.float64], NDArray[np.int64], list[str]],
) -> None:
    from rmod_pipeline.evaluation.classifiers import scores as module

    rows, truth, _ = example
    labels = rows.shape[1]
    confusion = np.zeros((1, labels, labels))
    np.add.at(confusion[0], (truth, rows.argmax(1)), 1)
    figures = compute_figures(rows, truth)
    assert module._accuracy(confusion)[0] == pytest.approx(figures["accuracy"], abs=1e-6)
    assert module._balanced_accuracy(confusion)[0] == pytest.approx(figures["balanced_accuracy"], abs=1e-6)
    assert module._macro_f1(confusion)[0] == pytest.approx(figures["macro_f1"], abs=1e-6)
    sums = module._bin_sums(rows, truth).sum(0, keepdims=True)
    assert module._calibration_error(sums)[0] == pytest.approx(figures["calibration_error"], abs=1e-6)


def test_other_numbers_of_answers_are_an_error() -> None:
    with pytest.raises(ValueError, match="not the same"):
        score(PROBABILITIES, TRUTH[:4], KITS)
    with pytest.raises(ValueError, match="not the same"):
        score(PROBABILITIES[:0], TRUTH[:0], [])


def test_sets_of_labels_are_those_of_the_roadmap() -> None:
    everything, seven, three = list_label_sets()
    assert everything.labels == CLASSES
    assert set(seven.labels) == {"clap", "cowbell", "cymbal", "hat", "kick", "snare", "tom"}
    assert "92.4 %" in seven.note and "other data" in seven.note
    assert three.labels == ("kick", "snare", "hihat")


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_restricted_probabilities_sum_to_1_and_keep_their_proportions(seed: int) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.full(len(CLASSES), 0.2), 6)
    for labels in list_label_sets():
        restricted = labels.restrict(rows, CLASSES)
        assert restricted.sum(1) == pytest.approx(1)
        first, second = (CLASSES.index(name) for name in ("kick", "snare"))
        one, other = (restricted[:, labels.labels.index(name)] for name in ("kick", "snare"))
        assert one * rows[:, second] == pytest.approx(other * rows[:, first], abs=1e-9)


def test_labels_without_any_probability_are_equally_probable() -> None:
    rows = np.zeros((1, len(CLASSES)))
    rows[0, CLASSES.index("conga")] = 1
    assert list_label_sets()[2].restrict(rows, CLASSES).tolist() == [[1 / 3, 1 / 3, 1 / 3]]
