"""Laws of the layout: any number of sounds, the same points again, neighbours that stay together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmod_pipeline.curation.neighbours.projection import name_method, principal_components, project


def draw_vectors(count: int, dimensions: int = 16, seed: int = 0) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, dimensions))
    scaled: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 99))
@settings(max_examples=12)
def test_points_lie_in_the_unit_square_and_touch_two_sides(count: int, dimensions: int, seed: int) -> None:
    vectors = draw_vectors(count, dimensions, seed)
    points = project(vectors)
    assert points.shape == (count, 2) and np.isfinite(points).all()
    assert points.min() >= 0 and points.max() <= 1
    if len(np.unique(vectors, axis=0)) > 1:
        assert np.ptp(points, axis=0).max() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("count", [1, 2, 9, 40])
def test_equal_sounds_lie_together(count: int) -> None:
    points = project(np.repeat(draw_vectors(1), count, axis=0))
    assert np.ptp(points, axis=0).max() == 0


def test_the_same_vectors_give_the_same_points() -> None:
    vectors = draw_vectors(60)
    assert np.array_equal(project(vectors), project(vectors))
    assert np.array_equal(project(vectors, most_for_tsne=10), project(vectors, most_for_tsne=10))


@pytest.mark.parametrize("most", [1000, 10])
def test_groups_stay_together(most: int) -> None:
    centres = np.eye(3, 16, dtype=np.float32)
    group = np.arange(60) % 3
    vectors = centres[group] + 0.05 * np.random.default_rng(1).standard_normal((60, 16)).astype(np.float32)
    points = project(vectors, most_for_tsne=most)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(60)
    assert (group[distances.argmin(axis=1)] == group).mean() > 0.95


def test_many_sounds_are_laid_out_by_principal_components() -> None:
    vectors = draw_vectors(50)
    components = principal_components(vectors, 2)
    points = project(vectors, most_for_tsne=49)
    assert np.corrcoef(points[:, 0], components[:, 0])[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert (name_method(49, 49), name_method(50, 49), name_method(3)) == (
        "t-SNE",
        "principal components",
        "principal components",
    )


@given(st.integers(2, 30), st.integers(1, 12), st.integers(0, 99))
def test_principal_components_keep_the_most_variance(count: int, dimensions: int, seed: int) -> None:
    vectors = draw_vectors(count, dimensions, seed)
    components = principal_components(vectors, 2)
    centred = vectors.astype(float) - vectors.astype(float).mean(axis=0)
    expected = np.pad(np.linalg.svd(centred, compute_uv=False), (0, 2))[:2] ** 2
    assert (components**2).sum(axis=0) == pytest.approx(expected, abs=1e-9)
