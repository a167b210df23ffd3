"""Place one-shots so that the squared distance of two of them is about their spectral distance.

The spectral distance (``codec.spectral_distance``) compares log spectra whose bins are equally wide in Hz, from the
start to the end of a target's window. A point holds the same from features: levels per band and step of time, each
weighted by how much of the spectrum it stands for. So the point that an ear expects is the one with the least expected
distance.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec.window import target_frames
from rmod_pipeline.ear.recipe import EarSize
from rmod_pipeline.features import LogMel

EDGES = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 50, 60, 70, 80, 90)
"""Frames at which the steps of time begin and end: fine at the attack, coarse in the decay."""
STEPS, FRAMES = len(EDGES) - 1, EDGES[-1]
LOWEST_DB = -70.0
"""Lower levels, relative to the power of the loudest frame, count as silence."""
UNIT_DB = 20.0
"""The unit of a level: a factor of 10 in magnitude, as in the spectral distance."""


def count_sound_frames(size: EarSize) -> int:
    """Return the number of frames of a one-shot from which an ear of this size makes a description and a point."""
    return max(size.description_frames, FRAMES) if size.spectrum else size.description_frames


def count_point_frames(instrument: str) -> int:
    """Return the number of frames of a one-shot that its point stands for: those of its window, ``FRAMES`` at most."""
    return min(target_frames(instrument), FRAMES)


@cache
def weigh_steps(instruments: tuple[str, ...], bands: int) -> Tensor:
    """Return the weights of levels: [instruments, bands, STEPS].

    Their squares add up to 1 for each instrument. A step after the end of an instrument's window weighs nothing.
    """
    # Computed by numpy: a network may be made on a device that holds no values, before its weights are read.
    widths = LogMel(bands=bands).band_widths()
    frames = np.array([count_point_frames(instrument) for instrument in instruments])[:, None]
    steps = (np.minimum(EDGES[1:], frames) - EDGES[:-1]).clip(min=0) / frames
    shares = (widths / widths.sum())[None, :, None] * steps[:, None]
    return torch.from_numpy(np.sqrt(shares).astype(np.float32))


def place_sounds(levels: Tensor, weights: Tensor) -> Tensor:
    """Return the points [n, bands, STEPS] of one-shots; above the floor of the features, their level has no influence.

    levels: uint8 [n, windows, bands, at least FRAMES], of which the shortest window counts, the last one.
    weights: [n, bands, STEPS], the rows of ``weigh_steps`` for their instruments.
    """
    decibels = levels[:, -1, :, :FRAMES].float() / 2
    widths = torch.tensor([end - start for start, end in pairwise(EDGES)], device=levels.device)
    inside = (weights[:, 0] > 0).repeat_interleave(widths, dim=1)
    loudest = 10 * torch.log10((10 ** (decibels / 10)).sum(1)).where(inside, 0).amax(1)
    relative = (decibels - loudest[:, None, None]).clamp_min(LOWEST_DB) / UNIT_DB
    return torch.stack([relative[..., start:end].mean(2) for start, end in pairwise(EDGES)], dim=2) * weights


def measure_distances(one: Tensor, other: Tensor) -> Tensor:
    """Return the squared distances [n, m] of points [n, bands, STEPS] and [m, bands, STEPS]."""
    # Not by a product of matrices, which torch takes for many points: its rounding would depend on their number.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(one.flatten(1), other.flatten(1), compute_mode=mode).square()
