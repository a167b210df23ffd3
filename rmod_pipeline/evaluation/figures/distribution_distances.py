"""Distances of two sets of embeddings: FAD and KAD, and how large both are between two halves of one set.

A figure bears the name of its embedding, such as FAD-YAMNet: figures of different embeddings have nothing in common.

fad = DISTANCES["FAD"]
fad.measure(answers, truth)                           # embeddings [n, d] and [m, d]
half_against_half(truth, seed=0, keys=keys)           # what equal sets would get: the bias stands beside every figure
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import RmodError

Embeddings = NDArray[np.floating]
"""[n, dimensions]: a row per sound."""
Weights = NDArray[np.floating]
"""[draws, n]: how often each row counts in each draw."""

KAD_SCALE = 100.0
"""Factor of the squared discrepancy, that of the authors' toolkit."""


class TooFewItemsError(RmodError):
    """There are too few items for a figure; it is not computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionDistance:
    """A distance of two sets of embeddings."""

    name: str
    measure: Callable[[Embeddings, Embeddings], float]
    """The distance of embeddings [n, d] from reference embeddings [m, d]."""
    resample: Callable[[Embeddings, Embeddings, Weights, Weights], NDArray[np.float64]]
    """The distances [draws] of weighted sets, with weights [draws, n] and [draws, m]."""

    def label(self, embedding: str) -> str:
        """Return the name of the figure, such as ``FAD-YAMNet``."""
        return f"{self.name}-{embedding}"


def frechet_distance(estimate: Embeddings, reference: Embeddings) -> float:
    """Return the Fréchet distance of two sets of embeddings [n, d] and [m, d]: 0 for equal means and covariances.

    Formula: |a - b|^2 + tr(A + B - 2 (A B)^(1/2)), with means a and b and unbiased covariances A and B. Source: the
    Fréchet audio distance, arXiv 1812.08466; here an item is a sound, not a frame. It is biased: the fewer items, the
    larger it is. Raises TooFewItemsError for d items or fewer on either side, because then a covariance has no full
    rank, and the figure describes the number of items more than the sounds. Raises ValueError for NaN.
    """
    one, other = _check_pair(estimate, reference)
    _require_covariance(one, "estimate")
    _require_covariance(other, "reference")
    return _frechet(_moments(one, np.ones(len(one))), _moments(other, np.ones(len(other))))


def kernel_distance(estimate: Embeddings, reference: Embeddings, bandwidth: float | None = None) -> float:
    """Return the kernel audio distance KAD of two sets of embeddings [n, d] and [m, d]: 0 on average for equal sets.

    Formula: 100 times the unbiased estimate of the squared maximum mean discrepancy with the kernel
    exp(-|x - y|^2 / (2 s^2)). The bandwidth s is the median distance between two items of the reference. Source: arXiv
    2502.15602, and the authors' toolkit kadtk for the factor. Because it is unbiased it can be a little below 0. It is
    at most 200. Raises TooFewItemsError for a single item, and ValueError for NaN.
    """
    one, other = _check_pair(estimate, reference)
    ones, others = np.ones((1, len(one))), np.ones((1, len(other)))
    return float(_resample_kernel(one, other, ones, others, bandwidth)[0])


def median_distance(items: Embeddings) -> float:
    """Return the median distance between two different rows of embeddings [n, d], the bandwidth of KAD."""
    first, second = np.triu_indices(len(items), 1)
    distances = np.sqrt(_squared_distances(items, items)[first, second])
    return float(np.median(distances))


def half_against_half(
    reference: Embeddings,
    seed: int = 0,
    *,
    keys: Sequence[str] | None = None,
    distance: DistributionDistance | None = None,
) -> float:
    """Return the distance of one half of the truth from the other: what a perfect system would get with so few items.

    reference [n, d]; ``distance`` is FAD by default. An item's half depends on the seed and the keys alone, not on the
    order of the rows; by default a row's key is its number. Each half has n / 2 items, so the bias is about twice that
    of all n. Raises TooFewItemsError as the distance does.
    """
    chosen = distance or DISTANCES["FAD"]
    names = list(keys) if keys is not None else [str(row) for row in range(len(reference))]
    if len(names) != len(reference):
        raise ValueError(f"{len(names)} keys for {len(reference)} rows")
    draw = Draw.of("half against half", seed)
    order = sorted(range(len(names)), key=lambda row: (draw.at(names[row]).bits(1)[0], names[row]))
    middle = len(order) // 2
    return chosen.measure(reference[order[:middle]], reference[order[middle:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The main components of a reference: fewer dimensions, for sets with fewer items than dimensions."""

    mean: NDArray[np.float64]
    """[d]"""
    components: NDArray[np.float64]
    """[d, dimensions], orthonormal columns."""

    def apply(self, items: Embeddings) -> NDArray[np.float64]:
        """Return embeddings [n, d] in the main components of the reference: [n, dimensions]."""
        projected: NDArray[np.float64] = (np.asarray(items, np.float64) - self.mean) @ self.components
        return projected


def fit_projection(reference: Embeddings, dimensions: int) -> Projection:
    """Return the projection to the main components of a reference [n, d].

    Differences from the reference in other directions are lost, so a distance after it has a name that says so, such as
    FAD-YAMNet-64. Raises TooFewItemsError for a reference of ``dimensions`` items or fewer.
    """
    items = np.asarray(reference, np.float64)
    if min(len(items) - 1, items.shape[1]) < dimensions:
        found = f"{len(items)} items of {items.shape[1]} dimensions have no {dimensions} main components"
        raise TooFewItemsError("embeddings", found, "evaluate more pairs, or use fewer components")
    mean = items.mean(0)
    _, _, directions = np.linalg.svd(items - mean, full_matrices=False)
    chosen = directions[:dimensions].T
    # A component has no sign of its own: its largest entry is positive here.
    signs = np.sign(chosen[np.abs(chosen).argmax(0), np.arange(dimensions)])
    return Projection(mean=mean, components=chosen * signs)


def _resample_frechet(
    estimate: Embeddings, reference: Embeddings, weights: Weights, other_weights: Weights
) -> NDArray[np.float64]:
    one, other = _check_pair(estimate, reference)
    pairs = zip(weights, other_weights, strict=True)
    return np.array([_frechet(_moments(one, own), _moments(other, others)) for own, others in pairs])


def _resample_kernel(
    estimate: Embeddings,
    reference: Embeddings,
    weights: Weights,
    other_weights: Weights,
    bandwidth: float | None = None,
) -> NDArray[np.float64]:
    """Return KAD [draws] of weighted sets; an item is never paired with its own copies, which would count as equal."""
    one, other = _check_pair(estimate, reference)
    for name, items in (("estimate", one), ("reference", other)):
        if len(items) < 2:
            raise TooFewItemsError(f"embeddings of the {name}", "1 item, KAD needs 2 or more", "evaluate more pairs")
    width = median_distance(other) if bandwidth is None else bandwidth
    factor = 1 / (2 * max(width, 1e-12) ** 2)
    within = _mean_of_pairs(np.exp(-factor * _squared_distances(one, one)), weights)
    within_other = _mean_of_pairs(np.exp(-factor * _squared_distances(other, other)), other_weights)
    across = np.exp(-factor * _squared_distances(one, other))
    totals = weights.sum(1) * other_weights.sum(1)
    between = ((weights @ across) * other_weights).sum(1) / totals
    distances: NDArray[np.float64] = KAD_SCALE * (within + within_other - 2 * between)
    return distances


DISTANCES: Mapping[str, DistributionDistance] = {
    "FAD": DistributionDistance(name="FAD", measure=frechet_distance, resample=_resample_frechet),
    "KAD": DistributionDistance(name="KAD", measure=kernel_distance, resample=_resample_kernel),
}
"""The distances of sets by name."""


def _check_pair(estimate: Embeddings, reference: Embeddings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    one, other = np.asarray(estimate, np.float64), np.asarray(reference, np.float64)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"embeddings are {list(one.shape)} and {list(other.shape)}, not [n, d] and [m, d]")
    if not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise ValueError("NaN or infinite embeddings")
    return one, other


def _require_covariance(items: Embeddings, name: str) -> None:
    count, dimensions = items.shape
    if count <= dimensions:
        found = f"{count} items, a covariance of {dimensions} dimensions needs {dimensions + 1} or more"
        hint = "evaluate more pairs, report KAD, or project to fewer main components"
        raise TooFewItemsError(f"embeddings of the {name}", found, hint)


def _moments(items: NDArray[np.float64], weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean [d] and unbiased covariance [d, d] of items [n, d], each of which counts ``weights`` [n] times."""
    total = weights.sum()
    mean = weights @ items / total
    centred = items - mean
    return mean, (centred * weights[:, None]).T @ centred / (total - 1)


def _frechet(
    one: tuple[NDArray[np.float64], NDArray[np.float64]], other: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> float:
    """Return the Fréchet distance of two Gaussians, by eigenvalues of symmetric matrices alone: they stay real."""
    (mean, covariance), (other_mean, other_covariance) = one, other
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = root @ other_covariance @ root
    shared = np.sqrt(np.linalg.eigvalsh((product + product.T) / 2).clip(0)).sum()
    distance = np.square(mean - other_mean).sum() + np.trace(covariance) + np.trace(other_covariance) - 2 * shared
    return max(float(distance), 0.0)


def _mean_of_pairs(kernel: NDArray[np.float64], weights: Weights) -> NDArray[np.float64]:
    """Return the mean [draws] of a kernel [n, n] over pairs of different items, weighted [draws, n]."""
    off_diagonal = kernel - np.diag(np.diag(kernel))
    squares = np.square(weights).sum(1)
    totals = np.square(weights.sum(1)) - squares
    means: NDArray[np.float64] = ((weights @ off_diagonal) * weights).sum(1) / np.maximum(totals, 1e-12)
    return means


def _squared_distances(items: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return squared distances [n, m] of rows [n, d] and [m, d], never below 0."""
    norms, other_norms = np.square(items).sum(1), np.square(others).sum(1)
    squared: NDArray[np.float64] = norms[:, None] + other_norms - 2 * items @ others.T
    return squared.clip(0)
