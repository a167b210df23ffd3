"""Score answers: accuracy, balanced accuracy, macro-F1, calibration error, confusion, with intervals over kits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rmod_pipeline.evaluation.figures.statistics import Interval, bootstrap_sums

BINS = 15
"""Bins of confidence, of equal width, of the calibration error."""
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "calibration_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The figures of one system on one set of labels."""

    accuracy: Interval
    balanced_accuracy: Interval
    """Mean over labels of the share of their sounds that is answered right."""
    macro_f1: Interval
    """Mean over labels of the F1 score."""
    calibration_error: Interval
    """Expected calibration error: the mean distance of confidence and accuracy over bins of confidence; 0 is best."""
    recalls: tuple[float | None, ...]
    """For each label, the share of its sounds that is answered right; None without sounds."""
    confusion: NDArray[np.int64]
    """[labels, labels]: sounds of each true label (row) by answer (column)."""
    sounds: int
    families: int


def score(probabilities: NDArray[np.float64], truth: NDArray[np.int64], families: Sequence[str]) -> Scores:
    """Score probabilities [n, labels] of sounds whose labels are ``truth`` [n].

    Means over labels are over those that have sounds. The intervals are bootstraps over families. Raises ValueError
    for no sounds or another number of rows.
    """
    if len(truth) == 0 or not len(truth) == len(probabilities) == len(families):
        raise ValueError(f"{len(probabilities)} answers, {len(truth)} labels, {len(families)} families: not the same")
    labels = probabilities.shape[1]
    values = compute_figures(probabilities, truth)
    answers = probabilities.argmax(1)
    cells = np.zeros((len(truth), labels * labels))
    cells[np.arange(len(truth)), truth * labels + answers] = 1
    present = np.bincount(truth, minlength=labels) > 0

    def interval(name: str) -> Interval:
        if name == "calibration_error":
            found = bootstrap_sums(_bin_sums(probabilities, truth), _calibration_error, families)
        else:
            figures = {"accuracy": _accuracy, "balanced_accuracy": _balanced_accuracy, "macro_f1": _macro_f1}
            found = bootstrap_sums(cells, lambda sums: figures[name](_to_confusion(sums, labels)), families)
        return Interval(mean=values[name], low=found.low, high=found.high)

    confusion = np.zeros((labels, labels), np.int64)
    np.add.at(confusion, (truth, answers), 1)
    right = confusion.diagonal() / np.maximum(confusion.sum(1), 1)
    return Scores(
        **{name: interval(name) for name in METRICS},
        recalls=tuple(float(share) if has else None for share, has in zip(right, present, strict=True)),
        confusion=confusion,
        sounds=len(truth),
        families=len(set(families)),
    )


def compute_figures(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> dict[str, float]:
    """Return the figures of ``METRICS`` for probabilities [n, labels] and labels [n], by torchmetrics."""
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_calibration_error,
        multiclass_f1_score,
    )

    labels = probabilities.shape[1]
    # A sum of 1 that is rounded up would be taken for logits.
    rows, targets = torch.from_numpy(np.clip(probabilities, 0, 1)), torch.from_numpy(truth)
    # Ties must go to the same label everywhere, so the answers are given.
    answers = torch.from_numpy(probabilities.argmax(1))
    present = torch.bincount(targets, minlength=labels) > 0
    recalls = multiclass_accuracy(answers, targets, labels, average="none")
    f1 = multiclass_f1_score(answers, targets, labels, average="none")
    return {
        "accuracy": float(multiclass_accuracy(answers, targets, labels, average="micro")),
        "balanced_accuracy": float(recalls[present].double().mean()),
        "macro_f1": float(f1[present].double().mean()),
        "calibration_error": float(multiclass_calibration_error(rows, targets, labels, n_bins=BINS, norm="l1")),
    }


def _to_confusion(sums: NDArray[np.float64], labels: int) -> NDArray[np.float64]:
    return sums.reshape(len(sums), labels, labels)


def _accuracy(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the accuracy [m] of confusions [m, labels, labels]."""
    right: NDArray[np.float64] = np.trace(confusion, axis1=1, axis2=2)
    shares: NDArray[np.float64] = right / confusion.sum((1, 2))
    return shares


def _balanced_accuracy(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean recall [m] over labels with sounds."""
    right, counts = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(2)
    return _mean_over_labels(right / np.maximum(counts, 1), counts)


def _macro_f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean F1 score [m] over labels with sounds."""
    right, counts = np.diagonal(confusion, axis1=1, axis2=2), confusion.sum(2)
    return _mean_over_labels(2 * right / np.maximum(counts + confusion.sum(1), 1), counts)


def _mean_over_labels(values: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = (values * (counts > 0)).sum(1) / (counts > 0).sum(1)
    return means


def _bin_sums(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each sound adds to each bin [n, (BINS + 1) * 3]: one, its confidence, whether it is right.

    The last bin is for a confidence of exactly 1, as in torchmetrics.
    """
    confidence = np.clip(probabilities.max(1), 0, 1)
    right = probabilities.argmax(1) == truth
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64).numpy()
    place = np.searchsorted(edges, confidence, side="right") - 1
    sums = np.zeros((len(truth), BINS + 1, 3))
    sums[np.arange(len(truth)), place] = np.stack([np.ones(len(truth)), confidence, right], axis=1)
    return sums.reshape(len(truth), -1)


def _calibration_error(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the calibration error [m] of sums over sounds."""
    bins = sums.reshape(len(sums), BINS + 1, 3)
    errors: NDArray[np.float64] = np.abs(bins[:, :, 1] - bins[:, :, 2]).sum(1) / bins[:, :, 0].sum(1)
    return errors
