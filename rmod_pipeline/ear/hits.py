"""Find the hits of a drum among the log odds of frames: local maxima above a threshold."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rmod_pipeline.ear.pooling import NO_HIT

LEAST_DISTANCE = 3
"""Least distance between two hits of a drum, in frames (35 ms)."""
MOST_HITS = 40
"""Hits of an instrument in a window of 4 s that count: the clearest."""
THRESHOLD = 0.0
"""Least log odds of a hit: one to one."""


def find_peaks(logits: Tensor, threshold: float = THRESHOLD) -> Tensor:
    """Return which frames [..., frames] hold a hit: the highest within ``LEAST_DISTANCE`` frames, and high enough.

    Of equally high neighbours the first counts.
    """
    flat = logits.reshape(-1, 1, logits.shape[-1])
    reach = LEAST_DISTANCE - 1
    highest = flat >= functional.max_pool1d(flat, 2 * reach + 1, stride=1, padding=reach)
    before = functional.pad(highest.to(flat.dtype), (reach, 0))[..., : flat.shape[-1] + reach - 1]
    has_earlier = functional.max_pool1d(before, reach, stride=1) > 0
    return (highest & ~has_earlier).reshape(logits.shape) & (logits >= threshold)


def find_hit_frames(logits: Tensor, most: int, threshold: float = THRESHOLD) -> Tensor:
    """Return the clearest hits as ascending frames [..., most], padded with -1; the clearest frame if there is none."""
    scores = logits.where(find_peaks(logits, threshold), -torch.inf)
    clearest = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, logits.argmax(-1, keepdim=True), value=True)
    has_hit = (scores > -torch.inf).any(-1, keepdim=True)
    scores = torch.where(has_hit, scores, logits.where(clearest, -torch.inf))
    values, frames = scores.topk(min(most, logits.shape[-1]), dim=-1)
    frames = frames.where(values > -torch.inf, logits.shape[-1])
    ascending = frames.sort(-1).values
    return ascending.where(ascending < logits.shape[-1], NO_HIT)
