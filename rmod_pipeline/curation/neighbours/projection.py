"""Lay out the sounds of a library on a plane, so that similar sounds lie together.

Up to ``MOST_FOR_TSNE`` sounds are laid out by t-SNE, which keeps neighbours together and says little about distances
between groups. More are laid out by their two principal components, which takes seconds and separates less.

Both are deterministic on one machine: the seed is fixed, t-SNE begins with the principal components and computes in one
thread. On another machine, or with another version of scikit-learn, t-SNE may round otherwise, and a map then looks
different.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""[sounds, 2]: x and y, 0..1."""

TSNE = "t-SNE"
MOST_FOR_TSNE = 20_000
FEWEST_FOR_TSNE = 8
PERPLEXITY = 30.0
"""Number of neighbours that t-SNE keeps together, roughly."""
_COMPONENTS = 50
_DIGITS = 5


def project(embeddings: NDArray[np.float32], most_for_tsne: int = MOST_FOR_TSNE) -> Points:
    """Return a point for each of the embeddings [sounds, dimensions]: [sounds, 2], each coordinate 0..1."""
    from threadpoolctl import threadpool_limits

    # In several threads, sums are added in an order that differs from machine to machine, and from run to run.
    with threadpool_limits(limits=1):
        if name_method(len(embeddings), most_for_tsne) == TSNE:
            return _fit_square(_run_tsne(principal_components(embeddings, _COMPONENTS)))
        return _fit_square(principal_components(embeddings, 2))


def principal_components(embeddings: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the first ``count`` principal components of vectors [n, dimensions]: [n, count].

    Components that the vectors do not have are 0. The sign of each component is fixed: its largest weight is positive.
    """
    centred = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :count]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    components = centred @ (axes * signs)
    return np.pad(components, ((0, 0), (0, max(count - components.shape[1], 0))))


def name_method(sounds: int, most_for_tsne: int = MOST_FOR_TSNE) -> str:
    """Return the name of what ``project`` does with this many sounds."""
    return TSNE if FEWEST_FOR_TSNE <= sounds <= most_for_tsne else "principal components"


def _run_tsne(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the t-SNE of vectors [n, dimensions]: [n, 2]."""
    from sklearn.manifold import TSNE

    method = TSNE(
        n_components=2,
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        init=_scale_start(vectors[:, :2]),
        learning_rate="auto",
        random_state=0,
        n_jobs=1,
    )
    points: NDArray[np.float64] = method.fit_transform(vectors.astype(np.float32)).astype(np.float64)
    return points


def _scale_start(components: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the first positions as t-SNE wants them: principal components with a small spread."""
    spread = float(components[:, 0].std())
    return (components / (spread or 1.0) * 1e-4).astype(np.float32)


def _fit_square(points: NDArray[np.float64]) -> Points:
    """Scale points [n, 2] into the unit square without stretching them, and centre them there."""
    lowest, highest = points.min(axis=0), points.max(axis=0)
    extent = float((highest - lowest).max())
    scaled = (points - (lowest + highest) / 2) / (extent or 1.0) + 0.5
    rounded: Points = np.round(scaled, _DIGITS)
    return rounded
