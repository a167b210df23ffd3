"""Compute the loss of a description that listens to nothing: the mean of the one-shots in the train split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from rmod_pipeline.ear.loss import description_loss
from rmod_pipeline.ear.model import Description, describe_levels
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.training.ear.module import EarModule
from rmod_pipeline.training.loop.baseline import Baseline, run_on_all_ranks, sum_over_ranks
from rmod_pipeline.training.loop.data import TRAIN, VALID
from rmod_pipeline.training.loop.examples import (
    ExampleStream,
    LoaderError,
    find_loader_error,
    keep_pair,
    raise_loader_errors,
)
from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule, average_losses

PAIRS_PER_BATCH = 64


class MeanBaseline(Baseline):
    """Loss of the mean description of each instrument on the valid split. It hears no hits, so it has no other loss."""

    name, loss_parts = "mean", ("description",)

    def compute(self, trainer: Trainer, module: TrainingModule) -> HeldOutLosses:
        """Return the losses."""
        assert isinstance(module, EarModule)
        own_sums, own_count = run_on_all_ranks(trainer, lambda: _sum_descriptions(module))
        count = sum_over_ranks(trainer, module, torch.tensor(own_count, dtype=torch.float64))
        means = sum_over_ranks(trainer, module, own_sums) / count
        losses = run_on_all_ranks(trainer, lambda: _sum_losses(module, means.float()))
        return average_losses(sum_over_ranks(trainer, module, losses), module.instruments, self.loss_parts)


def _sum_descriptions(module: EarModule) -> tuple[Tensor, int]:
    """Return the sum of this rank's descriptions in the train split, [instruments, bands, frames], and their number."""
    size = module.recipe.model
    total = torch.zeros(len(module.instruments), size.bands, size.description_frames, dtype=torch.float64)
    count = 0
    for descriptions in _read_descriptions(module, TRAIN):
        total += descriptions.double().sum(1)
        count += descriptions.shape[1]
    return total, count


def _sum_losses(module: EarModule, means: Tensor) -> Tensor:
    """Return the losses of this rank's share of the valid split: [instruments, 1, (sum, count)]."""
    sums = torch.zeros(len(module.instruments), 1, 2, dtype=torch.float64)
    for descriptions in _read_descriptions(module, VALID):
        for instrument, (mean, truth) in enumerate(zip(means, descriptions, strict=True)):
            nothing = torch.zeros(len(truth), 0)
            guess = Description(levels=mean.expand_as(truth), embedding=nothing, spectrum=nothing)
            sums[instrument, 0, 0] += description_loss(guess, truth).double().sum()
            sums[instrument, 0, 1] += len(truth)
    return sums


def _read_descriptions(module: EarModule, split: str) -> Iterator[Tensor]:
    """Yield what descriptions of this rank's one-shots should be, batch by batch: [instruments, n, bands, frames].

    Raises ShardError.
    """
    data, settings = module.data, module.loader_settings
    pairs = load_features(
        data.out,
        split,
        features=data.family.name,
        sounds=module.instruments,
        rank=settings.rank,
        world_size=settings.world_size,
    )
    describe = _DescribeBatch(module.instruments, module.recipe.model.description_frames)
    loader = settings.make_loader(ExampleStream(pairs, keep_pair), PAIRS_PER_BATCH, describe)
    yield from raise_loader_errors(loader)


@dataclass(frozen=True, slots=True)
class _DescribeBatch:
    """Make the descriptions of a batch of pairs."""

    instruments: tuple[str, ...]
    frames: int

    def __call__(self, pairs: Sequence[Any]) -> Tensor | LoaderError:
        error = find_loader_error(pairs)
        if error:
            return error
        levels = [torch.from_numpy(np.stack([pair["levels"][name] for pair in pairs])) for name in self.instruments]
        return torch.stack([describe_levels(each[..., : self.frames], self.frames) for each in levels])
