"""Make the confidence of a classifier an honest one, on sounds that it was not trained on.

Temperature scaling: Guo et al., "On calibration of modern neural networks" (2017). One number divides the logits, so no
answer changes, only how sure it is.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmod_pipeline.classification.checkpoint import Calibration
from rmod_pipeline.classification.labels import Leaves
from rmod_pipeline.classification.model import sum_leaves

TEMPERATURES = np.geomspace(0.25, 8.0, 121)


def calibrate(logits: Tensor, truth: Tensor, leaves: Leaves, accuracy: float) -> Calibration:
    """Return the temperature with the least loss, and the threshold above which answers have this accuracy.

    logits [n, leaves]; truth [n]: the class of each sound. If no threshold reaches the accuracy, it is the highest
    confidence.
    """
    indices = torch.from_numpy(leaves.class_indices)

    def class_probabilities(temperature: float) -> Tensor:
        return sum_leaves((logits.double() / temperature).softmax(1), indices, len(leaves.classes))

    rows = torch.arange(len(truth))
    losses = [
        float(-class_probabilities(float(each))[rows, truth].clamp_min(1e-12).log().mean()) for each in TEMPERATURES
    ]
    temperature = float(TEMPERATURES[int(np.argmin(losses))])
    confidence, answers = class_probabilities(temperature).max(1)
    threshold = find_threshold(confidence.numpy(), (answers == truth).numpy(), accuracy)
    return Calibration(temperature=round(temperature, 4), threshold=round(threshold, 4), sounds=len(truth))


def find_threshold(confidence: NDArray[np.float64], correct: NDArray[np.bool_], accuracy: float) -> float:
    """Return the lowest confidence so that the answers with it or more are correct in this share of cases.

    confidence, correct: [n]. If no threshold does it, the highest confidence is returned.
    """
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # Answers of equal confidence are above a threshold together, so only the last of them counts.
    sorted_confidence = confidence[order]
    is_last = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    good = np.flatnonzero((shares >= accuracy) & is_last)
    return float(sorted_confidence[good[-1]] if len(good) else sorted_confidence[0])
