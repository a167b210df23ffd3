"""Pool what a mixture sounds like after the hits of one drum: the mean and the minimum over its hits.

Whatever else plays differs from hit to hit, so the minimum suppresses it. Both are taken for each frame after the hit,
over the hits that still sound there: a hit ends where the next one of the same drum begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NO_HIT = -1
"""Pads lists of hits of different length."""


@dataclass(frozen=True, slots=True)
class PooledHits:
    """What follows the hits of a drum, frame by frame."""

    mean: Tensor
    """[n, channels, frames]; 0 where no hit sounds."""
    minimum: Tensor
    """[n, channels, frames]; 0 where no hit sounds."""
    share: Tensor
    """[n, 1, frames]: share of the hits that still sound."""


def pool_hits(maps: Tensor, hits: Tensor, frames: int) -> PooledHits:
    """Pool maps [n, channels, mixture frames] after hits [n, most], for ``frames`` frames from each hit on.

    ``hits`` holds ascending mixture frames; ``NO_HIT`` pads it at the end.
    """
    total = maps.shape[2]
    offsets = torch.arange(frames, device=maps.device)
    exists = hits >= 0
    position = hits.clamp_min(0)[..., None] + offsets  # [n, most, frames]
    sounds = exists[..., None] & (position < _find_ends(hits, total)[..., None])
    gathered = _gather(maps, position.clamp_max(total - 1))  # [n, channels, most, frames]
    mask = sounds[:, None]
    count = mask.sum(2).clamp_min(1)
    mean = gathered.where(mask, 0).sum(2) / count
    minimum = gathered.where(mask, torch.inf).amin(2)
    share = mask.sum(2) / exists.sum(1).clamp_min(1)[:, None, None]
    return PooledHits(mean, minimum.where(mask.any(2), 0), share)


def _find_ends(hits: Tensor, total: int) -> Tensor:
    """Return the frame before which each hit ends: that of the next hit, or the end of the mixture."""
    following = torch.cat([hits[:, 1:], torch.full_like(hits[:, :1], NO_HIT)], dim=1)
    return following.where(following >= 0, total)


def _gather(maps: Tensor, position: Tensor) -> Tensor:
    """Return maps [n, channels, total] at positions [n, most, frames]: [n, channels, most, frames]."""
    n, channels, _ = maps.shape
    index = position.flatten(1)[:, None].expand(n, channels, -1)
    gathered: Tensor = maps.gather(2, index).unflatten(2, position.shape[1:])
    return gathered
