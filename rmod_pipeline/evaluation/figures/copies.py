"""Tell answers that are copies: of training sounds, as picks are, or of the test set's own truth, as a cheat would be.

Sounds are compared by their log-mel levels from where each starts (``chunk.describe_sounds``), so a copy that is
shifted, softer, or encoded is still near. A distance is the mean squared difference in units of 40 dB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.evaluation.chunk import ANSWERED, LEVELS, SetWork
from rmod_pipeline.evaluation.figures.nearest_training import describe_training_sounds

COPY_SHARE = 0.1
"""An answer counts as a copy of a true one-shot if it is nearer to it than this share of how near any training sound is
to that one-shot: a system that learned from training sounds cannot know it so well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyAudit:
    """How near the answers of a system are to sounds that it may know, and to those that it must not know."""

    test_set: str
    kind: str
    system: str
    answers: int
    training: float | None
    """Median distance of an answer from the nearest training sound; None where no training sound is known."""
    truth_training: float | None
    """Median distance of a true one-shot from the nearest training sound, for comparison."""
    own_truth: float
    """Median distance of an answer from the true one-shot of its pair."""
    copies: float | None
    """Share of answers, 0..1, that count as copies of a true one-shot of the set, of whichever pair."""


def audit_copies(
    work: SetWork, kind: str, truths: Sequence[Mapping[str, Any]], answers: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[CopyAudit]:
    """Yield the audit of each system on one kind of a set of pairs; nothing for songs."""
    known = [row for row in truths if row.get(LEVELS) is not None]
    if not known:
        return
    levels, training = _stack(known), describe_training_sounds(work, kind)
    truth_training = None if training is None else nearest_distances(levels, training)[0]
    place_of = {row["key"]: place for place, row in enumerate(known)}
    for system, rows in answers.items():
        given = [row for row in rows if row["status"] == ANSWERED and row["key"] in place_of]
        if not given:
            continue
        own = _stack(given)
        differences = own - levels[[place_of[row["key"]] for row in given]]
        copies = None
        if truth_training is not None:
            distances, nearest = nearest_distances(own, levels)
            copies = float((distances < COPY_SHARE * truth_training[nearest]).mean())
        yield CopyAudit(
            test_set=work.test_set.choice.name,
            kind=kind,
            system=system,
            answers=len(given),
            training=None if training is None else float(np.median(nearest_distances(own, training)[0])),
            truth_training=None if truth_training is None else float(np.median(truth_training)),
            own_truth=float(np.median(np.square(differences).mean(1))),
            copies=copies,
        )


def _stack(rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
    return np.array([row[LEVELS] for row in rows], np.float32)


def nearest_distances(
    sounds: NDArray[np.float32], known: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return for levels [n, d] the distance from the nearest of known levels [m, d], and its row: [n] each."""
    norms, known_norms = (np.square(each.astype(np.float64)).sum(1) for each in (sounds, known))
    squared = norms[:, None] + known_norms - 2 * sounds.astype(np.float64) @ known.astype(np.float64).T
    nearest = squared.argmin(1)
    return squared[np.arange(len(sounds)), nearest].clip(0) / sounds.shape[1], nearest
