"""Compute the unigram baseline of a training on all ranks."""

from __future__ import annotations

import torch
from lightning.pytorch import Trainer

from rmod_pipeline.dose.loss import LOSS_PARTS
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.unigram import CodeCounts, count_split, unigram_losses
from rmod_pipeline.training.loop.baseline import Baseline, run_on_all_ranks, sum_over_ranks
from rmod_pipeline.training.loop.data import TRAIN, VALID
from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule


class UnigramBaseline(Baseline):
    """Losses of the unigram baseline on the valid split."""

    name, loss_parts = "unigram", LOSS_PARTS

    def compute(self, trainer: Trainer, module: TrainingModule) -> HeldOutLosses:
        """Return the losses."""
        assert isinstance(module, DoseModule)
        own_counts = run_on_all_ranks(trainer, lambda: [_count_own_share(module, split) for split in (TRAIN, VALID)])
        train, valid = (
            {name: CodeCounts(*sum_over_ranks(trainer, module, torch.stack(counts))) for name, counts in split.items()}
            for split in own_counts
        )
        return unigram_losses(train, valid)


def _count_own_share(module: DoseModule, split: str) -> dict[str, CodeCounts]:
    """Count the codes of this rank's share of a split."""
    return count_split(module.data, split, module.recipe, module.instruments, module.loader_settings)
