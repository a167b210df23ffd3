"""What the metrics share: batches of sounds, their level, their onset, and which of them are silent.

A sound whose peak is below ``SILENCE`` counts as silent. Some quantities, such as a centroid, do not exist in
silence. There, if one of two sounds is silent, the error is the largest value of the metric; if both are, it is 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.codec.spectral_distance import normalize_sounds

SILENCE = 1e-6
"""Peak of -120 dB relative to full scale: a sixteen-bit file has no value but 0 below it."""
ONSET_SHARE = 0.1
"""A sound begins at the first sample within 20 dB of its peak, for metrics that align onsets."""
FEWEST_SAMPLES = 2048
"""Shorter sounds are padded with silence, because the longest window needs as many."""

Level = Literal["peak", "none"]
"""``peak``: both sounds are scaled to a peak of 1, so that their level does not count. ``none``: it counts."""
Alignment = Literal["none", "onset"]
"""``onset``: both sounds are shifted to begin at their onset. ``none``: they are compared as they are."""


def check_batch(sounds: Tensor) -> Tensor:
    """Return audio [n, samples], padded to ``FEWEST_SAMPLES``. Raises ValueError for other shapes and for NaN."""
    if sounds.ndim != 2 or not sounds.shape[1]:
        raise ValueError(f"sounds have the shape {list(sounds.shape)}, not [n, samples]")
    if not torch.isfinite(sounds).all():
        raise ValueError("NaN or infinite samples: check the sounds before they are measured")
    return functional.pad(sounds.float(), (0, max(FEWEST_SAMPLES - sounds.shape[1], 0)))


def require_equal_shapes(estimate: Tensor, reference: Tensor) -> None:
    """Raise ValueError unless both batches of sounds have the same shape [n, samples]."""
    if estimate.shape != reference.shape:
        raise ValueError(f"{list(estimate.shape)} estimates and {list(reference.shape)} references: shapes differ")


def prepare_sounds(sounds: Tensor, level: Level, alignment: Alignment) -> Tensor:
    """Return checked audio [n, samples] with this level and alignment."""
    prepared = check_batch(sounds)
    if level == "peak":
        prepared = normalize_sounds(prepared)
    return align_onsets(prepared) if alignment == "onset" else prepared


def is_silent(sounds: Tensor) -> Tensor:
    """Return which of the sounds [n, samples] are silent: bool [n]."""
    return sounds.abs().amax(1) < SILENCE


def align_onsets(sounds: Tensor) -> Tensor:
    """Return audio [n, samples] in which every sound begins at its onset; silence follows its end."""
    level = sounds.abs()
    peak = level.amax(1, keepdim=True)
    # argmax of booleans is the first True; silence has its onset at 0.
    onsets = (level >= ONSET_SHARE * peak).to(torch.uint8).argmax(1)
    if not onsets.any():
        return sounds
    positions = torch.arange(sounds.shape[1], device=sounds.device) + onsets[:, None]
    inside = positions < sounds.shape[1]
    return sounds.gather(1, positions.clamp_max(sounds.shape[1] - 1)) * inside


def compare_values(estimate: Tensor, reference: Tensor, silent: tuple[Tensor, Tensor], worst: float) -> Tensor:
    """Return absolute differences [n] of values that silence does not have; ``silent``: bool [n] of both sounds."""
    difference = (estimate - reference).abs().clamp_max(worst)
    one, other = silent
    return difference.masked_fill(one ^ other, worst).masked_fill(one & other, 0.0)
