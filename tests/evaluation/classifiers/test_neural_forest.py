"""A neural decision forest routes with probabilities, has distributions in its leaves, and learns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.evaluation.classifiers.heads import Classes, Head, Vectors, fit_neural_forest, fit_perceptron
from rmod_pipeline.evaluation.classifiers.neural_forest import NeuralForest


def make_forest(trees: int = 3, depth: int = 3, classes: int = 4) -> NeuralForest:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return NeuralForest(5, classes, trees=trees, depth=depth, hidden=16).eval()


@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 6), st.integers(0, 1000))
@settings(max_examples=25)
def test_probabilities_sum_to_1_before_and_after_fitting(trees: int, depth: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = torch.from_numpy(rng.standard_normal((20, 5)).astype(np.float32)) * 10
    truth = torch.from_numpy(rng.integers(0, classes, 20))
    forest = make_forest(trees, depth, classes)
    for _ in range(2):
        arriving = forest.route(vectors)
        assert arriving.shape == (20, trees, 2**depth)
        assert arriving.min() >= 0
        assert torch.allclose(arriving.sum(2), torch.ones(20, trees), atol=1e-5)
        assert torch.allclose(forest.leaf_distributions.sum(2), torch.ones(trees, 2**depth), atol=1e-5)
        assert torch.allclose(forest(vectors).exp().sum(1), torch.ones(20), atol=1e-5)
        forest.fit_leaves(vectors, truth)


def test_a_decision_sends_left_with_the_probability_of_its_sigmoid() -> None:
    forest = make_forest(trees=1, depth=1)
    with torch.no_grad():
        forest.decisions.zero_()
        forest.offsets.fill_(2.0)
    left = 1 / (1 + np.exp(-2.0))
    assert forest.route(torch.zeros(1, 5))[0, 0].tolist() == pytest.approx([left, 1 - left])


def test_fitting_the_leaves_never_raises_the_loss_of_a_tree() -> None:
    rng = np.random.default_rng(1)
    vectors = torch.from_numpy(rng.standard_normal((60, 5)).astype(np.float32)) * 3
    truth = torch.from_numpy(rng.integers(0, 4, 60))
    forest, losses = make_forest(trees=1), []
    for iterations in range(8):
        forest.fit_leaves(vectors, truth, iterations=iterations)
        losses.append(float(torch.nn.functional.nll_loss(forest(vectors), truth).detach()))
    assert all(after <= before + 1e-6 for before, after in pairwise(losses))
    assert losses[-1] < losses[0]


def test_one_leaf_distribution_is_the_frequency_of_the_classes() -> None:
    forest = make_forest(trees=1, depth=1, classes=3)
    with torch.no_grad():
        forest.decisions.zero_()
        forest.offsets.fill_(50.0)  # everything goes left
    forest.fit_leaves(torch.zeros(10, 5), torch.tensor([0] * 7 + [1] * 3))
    assert forest.leaf_distributions[0, 0].tolist() == pytest.approx([0.7, 0.3, 0.0], abs=1e-5)


def make_toy(count: int, seed: int) -> tuple[Vectors, Classes]:
    """Return rings: a class by the distance from the origin, which no linear function tells."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, count)
    angles = rng.uniform(0, 2 * np.pi, count)
    radius = np.where(truth == 0, 1.0, 3.0) + rng.normal(0, 0.2, count)
    return np.stack([radius * np.cos(angles), radius * np.sin(angles)], 1).astype(np.float32), truth


@pytest.mark.parametrize("fit", [fit_neural_forest, fit_perceptron])
def test_heads_learn_a_separable_problem_and_repeat_themselves(fit: Callable[..., Head]) -> None:
    train, valid, (vectors, truth) = make_toy(400, 0), make_toy(100, 1), make_toy(200, 2)
    head = fit(train, valid, 2, 0)
    rows = head.probabilities(vectors)
    assert rows.sum(1) == pytest.approx(1)
    assert (rows.argmax(1) == truth).mean() > 0.97
    assert np.array_equal(fit(train, valid, 2, 0).probabilities(vectors), rows)


@pytest.mark.parametrize(("trees", "depth", "classes"), [(0, 2, 3), (2, 0, 3), (2, 2, 1)])
def test_no_forest_is_an_error(trees: int, depth: int, classes: int) -> None:
    with pytest.raises(ValueError, match="no forest"):
        NeuralForest(4, classes, trees=trees, depth=depth)
