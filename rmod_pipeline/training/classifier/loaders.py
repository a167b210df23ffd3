"""Load batches of levels: endless for training, every sound once for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from rmod_pipeline.classification.labels import Leaves
from rmod_pipeline.classification.levels import FRAME_STEP, Levels, batch_by_length
from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.draw import Draw
from rmod_pipeline.training.classifier.material import SoundMaterial
from rmod_pipeline.training.classifier.sounds import LabelledSound
from rmod_pipeline.training.loop.loaders import BatchLoader, IntervalLoader, LoaderSettings, batch_per_rank


class SoundBatch(NamedTuple):
    """A batch of sounds."""

    keys: list[str]
    levels: Tensor
    """uint8 [n, windows, bands, frames], padded with silence."""
    frames: Tensor
    """[n]: frames of each sound."""
    leaves: Tensor
    """bool [n, leaves]: which leaves each sound may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundData:
    """The sounds of a training, and what it hears of them."""

    sounds: Sequence[LabelledSound]
    material: SoundMaterial
    leaves: Leaves
    train: tuple[int, ...]
    """Indices of readable sounds to learn from."""
    valid: tuple[int, ...]
    """Indices of readable sounds to measure on."""

    def collate(self, indices: Sequence[int], levels: Sequence[Levels]) -> SoundBatch:
        """Return a batch of sounds, given by index, with these levels."""
        longest = max(each.shape[2] for each in levels)
        stacked = np.zeros((len(levels), *levels[0].shape[:2], longest), np.uint8)
        for row, each in zip(stacked, levels, strict=True):
            row[:, :, : each.shape[2]] = each
        chosen = [self.sounds[index] for index in indices]
        return SoundBatch(
            keys=[sound.name for sound in chosen],
            levels=torch.from_numpy(stacked),
            frames=torch.tensor([each.shape[2] for each in levels]),
            leaves=torch.from_numpy(np.stack([self.leaves.mask(sound.kind, sound.subkind) for sound in chosen])),
        )


class TrainBatches(IterableDataset[SoundBatch]):
    """Endless batches of drawn sounds. The batches of an epoch depend on seed, epoch and rank alone."""

    def __init__(
        self, data: SoundData, recipe: ClassifierRecipe, rank: int, batch: int, frames_per_second: float
    ) -> None:
        super().__init__()
        self._data, self._recipe, self._rank, self._batch = data, recipe, rank, batch
        self._caps = [max(FRAME_STEP, round(seconds * frames_per_second)) for seconds in recipe.loss.lengths]
        self._ends = self._cumulative_weights()
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next iteration."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[SoundBatch]:
        number = 0
        while True:
            draw = Draw.of("classifier batches", self._recipe.seed, self._epoch, self._rank, number)
            yield self._draw_batch(draw)
            number += 1

    def _draw_batch(self, draw: Draw) -> SoundBatch:
        cap = self._caps[int(draw.at("length").uniform() * len(self._caps))]
        indices, levels = [], []
        for row in range(self._batch):
            own = draw.at(row)
            position = int(np.searchsorted(self._ends, own.at("sound").uniform(), side="right"))
            index = self._data.train[min(position, len(self._data.train) - 1)]
            copies = len(self._data.material.parts[index])
            indices.append(index)
            levels.append(self._data.material.read(index, int(own.at("copy").uniform() * copies))[:, :, :cap])
        return self._data.collate(indices, levels)

    def _cumulative_weights(self) -> NDArray[np.float64]:
        """Return the ends of the intervals of [0, 1) that stand for the sounds: [train sounds]."""
        kinds = [self._data.sounds[index].kind for index in self._data.train]
        counts = {kind: kinds.count(kind) for kind in set(kinds)}
        weights = np.array([counts[kind] ** -self._recipe.loss.balance for kind in kinds])
        ends: NDArray[np.float64] = np.cumsum(weights) / weights.sum()
        return ends


class _ValidBatches(IterableDataset[SoundBatch]):
    """Every valid sound of a rank once, without copies; sounds of one length together, as the classifier hears them."""

    def __init__(self, data: SoundData, rank: int, world_size: int, batch: int) -> None:
        super().__init__()
        self._data, self._batch = data, batch
        self._indices = data.valid[rank::world_size]

    def __iter__(self) -> Iterator[SoundBatch]:
        frames = [self._data.material.parts[index][0][1] for index in self._indices]
        for positions in batch_by_length(frames, self._batch):
            chosen = [self._indices[position] for position in positions]
            yield self._data.collate(chosen, [self._data.material.read(index, 0) for index in chosen])


def open_train_loader(
    data: SoundData,
    recipe: ClassifierRecipe,
    settings: LoaderSettings,
    frames_per_second: float,
    current_step: Callable[[], int],
) -> IntervalLoader:
    """Return the loader of training batches."""
    batch = batch_per_rank(recipe, settings.world_size)
    batches = TrainBatches(data, recipe, settings.rank, batch, frames_per_second)
    # In this process: the levels are in memory already.
    loader = DataLoader(batches, batch_size=None, pin_memory=settings.pin_memory)
    return IntervalLoader(batches, loader, recipe.schedule, current_step)


def open_validation_loader(data: SoundData, recipe: ClassifierRecipe, settings: LoaderSettings) -> BatchLoader:
    """Return the loader of validation batches."""
    batch = batch_per_rank(recipe, settings.world_size)
    batches = _ValidBatches(data, settings.rank, settings.world_size, batch)
    return BatchLoader(DataLoader(batches, batch_size=None, pin_memory=settings.pin_memory))
