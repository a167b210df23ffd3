"""The network of a classifier: log-mel levels of one sound of any length in, one vector and the odds of each leaf out.

Convolutions halve the bands layer by layer and the frames twice. What remains of a frame is one vector. Three
summaries over the frames of the sound are joined: the mean, the maximum, and a mean with learned weights. A linear
layer makes the embedding of them, another one the logits.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from rmod_pipeline.classification.recipe import ClassifierSize

FLOOR_DB, CENTRE_DB, SCALE_DB, STEP_DB = -100.0, -45.0, 30.0, 0.5
"""Levels in dB become numbers around 0: (level - CENTRE) / SCALE."""
SILENCE = (FLOOR_DB - CENTRE_DB) / SCALE_DB
TIME_STRIDE = 4
"""Frames of levels per frame of the network."""
_MASKED = -1e4


class NetworkOutput(NamedTuple):
    """What the network makes of sounds."""

    embedding: Tensor
    """[n, embedding]"""
    logits: Tensor
    """[n, leaves]"""


class SoundClassifierNet(nn.Module):
    """The network; see the module."""

    def __init__(self, size: ClassifierSize, leaves: int) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        before = size.windows
        for index, channels in enumerate(size.channels):
            kernel = 5 if index == 0 else 3
            stride = (2, 2 if index < 2 else 1)
            layers += [
                nn.Conv2d(before, channels, kernel, stride=stride, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(channels),
                nn.SiLU(),
            ]
            before = channels
        self.maps = nn.Sequential(*layers)
        bands = size.bands >> len(size.channels)
        self.frames = nn.Sequential(nn.Conv1d(before * bands, size.width, 1), nn.BatchNorm1d(size.width), nn.SiLU())
        self.attention = nn.Conv1d(size.width, 1, 1)
        self.embed = nn.Sequential(nn.Dropout(size.dropout), nn.Linear(3 * size.width, size.embedding))
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(size.embedding, leaves))

    def forward(self, levels: Tensor, frames: Tensor) -> NetworkOutput:
        """Return embeddings and logits of levels [n, windows, bands, T], normalised, of which ``frames`` [n] count."""
        maps = self.frames(self.maps(levels).flatten(1, 2))
        steps = maps.shape[2]
        counts = torch.arange(steps, device=maps.device)[None] < (frames[:, None] + TIME_STRIDE - 1) // TIME_STRIDE
        weights = self.attention(maps)[:, 0].masked_fill(~counts, _MASKED).softmax(1)
        attended = (maps * weights[:, None]).sum(2)
        highest = maps.masked_fill(~counts[:, None], _MASKED).amax(2)
        mean = (maps * counts[:, None]).sum(2) / counts.sum(1, keepdim=True)
        embedding = self.embed(torch.cat([attended, highest, mean], dim=1))
        return NetworkOutput(embedding, self.head(embedding))


def normalize_levels(levels: Tensor) -> Tensor:
    """Return levels as numbers around 0: float32 of the same shape as the bytes."""
    return (levels.float() * STEP_DB + (FLOOR_DB - CENTRE_DB)) / SCALE_DB


def sum_leaves(leaf_probabilities: Tensor, class_indices: Tensor, classes: int) -> Tensor:
    """Return the probabilities of classes [n, classes] from those of their leaves [n, leaves]."""
    total = leaf_probabilities.new_zeros(len(leaf_probabilities), classes)
    return total.index_add_(1, class_indices, leaf_probabilities)
