"""Rank the sounds of a library by their similarity to a sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.curation.classify_files import OpensClassifier, open_once
from rmod_pipeline.curation.neighbours.index import SoundIndex
from rmod_pipeline.curation.one_shot_files import LISTEN_SECONDS, prepare_question
from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.asset import Asset

_DIGITS = 6
"""Similarities are rounded to this many digits; sounds that are then equal are ordered by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A sound that similar ones are looked for."""

    path: Path
    sha256: str
    seconds: float
    """Duration of the whole file."""
    kind: str
    """What the classifier takes it for; empty if it is not certain."""
    embedding: NDArray[np.float32]
    """[dimensions], of length 1."""

    @property
    def is_cut(self) -> bool:
        """Whether only its first seconds are heard."""
        return self.seconds > LISTEN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A sound of a library that is similar to a question."""

    rank: int
    """From 1 on."""
    similarity: float
    """Cosine of the angle between the embeddings: 1 for equal ones, -1 at least."""
    asset: Asset


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The sounds that are nearest to one question, the nearest first."""

    question: Question
    neighbours: tuple[Neighbour, ...]


def ask(path: Path, choice: OpensClassifier) -> Question:
    """Listen to the sound that a user asks about.

    Raises UsageError if there is no such file, AssetError if it cannot be read or heard, and ModelError.
    """
    prepared = prepare_question(path)
    (answer,) = open_once(choice).classify([prepared.audio])
    return Question(
        path=path,
        sha256=prepared.sha256,
        seconds=prepared.seconds,
        kind=answer.kind,
        embedding=answer.embedding,
    )


def check_kind(kind: str, kinds: Sequence[str]) -> None:
    """Raise UsageError unless a kind is empty, which stands for all, or one of the library's."""
    if kind and kind not in kinds:
        found = f"the library has no {kind!r}{nearest(kind, kinds)}"
        raise UsageError("--kind", found, f"choose one of {', '.join(kinds)}")


def find_neighbours(
    index: SoundIndex, question: Question, *, count: int, kind: str = "", include_itself: bool = False
) -> SearchResult:
    """Return the ``count`` sounds of an index that are most similar to a question, of one kind or of all.

    include_itself: list the sound itself too, which is recognised by its SHA-256. Raises UsageError for a kind that
    the index lacks.
    """
    check_kind(kind, index.kinds())
    similarities = compute_similarities(index.embeddings, question.embedding)
    candidates = [
        (float(-similarity), asset.id, asset)
        for similarity, asset in zip(similarities, index.assets, strict=True)
        if (not kind or asset.kind == kind) and (include_itself or asset.sha256 != question.sha256)
    ]
    nearest_first = sorted(candidates, key=lambda candidate: candidate[:2])[:count]
    neighbours = (
        Neighbour(rank=rank, similarity=0.0 - negative, asset=asset)
        for rank, (negative, _, asset) in enumerate(nearest_first, 1)
    )
    return SearchResult(question=question, neighbours=tuple(neighbours))


def compute_similarities(embeddings: NDArray[np.float32], embedding: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cosine similarity of vectors [n, dimensions] of length 1 to one vector [dimensions]: [n], rounded.

    Each is summed on its own in float64. A matrix product would sum a row in an order that depends on its position.
    """
    products = embeddings.astype(np.float64) * embedding.astype(np.float64)
    similarities: NDArray[np.float64] = np.round(np.clip(products.sum(axis=1), -1.0, 1.0), _DIGITS)
    return similarities
