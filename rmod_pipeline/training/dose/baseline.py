"""The baseline's place in a training: counted before the first step, by all ranks, and kept.

It reads both splits to the end, so that a damaged shard is found now and not in the middle of the night.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rmod_pipeline.shards.publish import publish_bytes
from rmod_pipeline.training.dose.data import TRAIN, VALID
from rmod_pipeline.training.dose.keep import unwritable
from rmod_pipeline.training.dose.losses import Losses
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.unigram import Counts, baseline, count_split


class Baseline(Callback):
    """What knowing the codes' frequencies alone is worth, on the valid split."""

    def __init__(self, path: Path, drafts: Path) -> None:
        self.path, self._drafts = path, drafts
        self.losses: Losses = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DoseModule)
        # The first rank looks, because all count or none does.
        kept: Losses | None = trainer.strategy.broadcast(self._kept(pl_module) if trainer.is_global_zero else None)
        self.losses = kept or self._counted(trainer, pl_module)

    def _kept(self, module: DoseModule) -> Losses | None:
        try:
            content = json.loads(self.path.read_bytes())
            return {name: {part: float(content[name][part]) for part in ("full", "onset")} for name in _names(module)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # counted again

    def _counted(self, trainer: Trainer, module: DoseModule) -> Losses:
        train, valid = (
            {name: _summed(trainer, module, mine) for name, mine in self._mine(module, split).items()}
            for split in (TRAIN, VALID)
        )
        losses = baseline(train, valid)
        if trainer.is_global_zero:
            try:
                publish_bytes(json.dumps(losses, indent=1).encode() + b"\n", self.path, self._drafts)
            except OSError as error:
                raise unwritable(self.path, error) from error
        return losses

    @staticmethod
    def _mine(module: DoseModule, split: str) -> dict[str, Counts]:
        return count_split(module.data, split, module.recipe, module.instruments, module.reading)


def _names(module: DoseModule) -> list[str]:
    return ["all", *module.instruments]


def _summed(trainer: Trainer, module: DoseModule, counts: Counts) -> Counts:
    """Return the counts of all ranks."""
    table = trainer.strategy.reduce(torch.stack(counts).to(module.device), reduce_op="sum")
    assert isinstance(table, torch.Tensor)
    full, onset = table.cpu()
    return Counts(full, onset)
