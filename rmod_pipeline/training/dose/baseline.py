"""The baseline's place in a training: counted before the first step, by all ranks, and kept.

It reads both splits to the end, so that a damaged shard is found now and not in the middle of the night.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rmod_pipeline.errors import RmodError, ShardError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.training.dose.checkpointing import unwritable
from rmod_pipeline.training.dose.data import TRAIN, VALID, LoaderError
from rmod_pipeline.training.dose.losses import StepLosses
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.unigram import CodeCounts, baseline, count_split

Made = TypeVar("Made")


class Baseline(Callback):
    """What knowing the codes' frequencies alone is worth, on the valid split."""

    def __init__(self, path: Path, drafts: Path) -> None:
        self.path, self._drafts = path, drafts
        self.losses: StepLosses = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, DoseModule)
        # The first rank looks, because all count or none does.
        kept: StepLosses | None = trainer.strategy.broadcast(self._kept(pl_module) if trainer.is_global_zero else None)
        self.losses = kept or self._counted(trainer, pl_module)

    def _kept(self, module: DoseModule) -> StepLosses | None:
        try:
            content = json.loads(self.path.read_bytes())
            return {name: {part: float(content[name][part]) for part in ("full", "onset")} for name in _names(module)}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # counted again

    def _counted(self, trainer: Trainer, module: DoseModule) -> StepLosses:
        mine = _agreed(trainer, lambda: [self._mine(module, split) for split in (TRAIN, VALID)])
        train, valid = ({name: _summed(trainer, module, counts) for name, counts in split.items()} for split in mine)
        losses = baseline(train, valid)
        if trainer.is_global_zero:
            try:
                publish_bytes(json.dumps(losses, indent=1).encode() + b"\n", self.path, self._drafts)
            except OSError as error:
                raise unwritable(self.path, error) from error
        return losses

    @staticmethod
    def _mine(module: DoseModule, split: str) -> dict[str, CodeCounts]:
        return count_split(module.data, split, module.recipe, module.instruments, module.reading)


def _names(module: DoseModule) -> list[str]:
    return ["all", *module.instruments]


def _agreed(trainer: Trainer, make: Callable[[], Made]) -> Made:
    """Return what this rank makes. Raises ShardError on every rank if one of them cannot, so that none waits for it."""
    made, failure = None, None
    try:
        made = make()
    except RmodError as error:
        failure = LoaderError(error.about, error.found, error.hint)
    failures = [failure]
    if trainer.world_size > 1:
        failures = [None for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(failures, failure)
    for each in failures:
        if each is not None:
            raise ShardError(*each)
    assert made is not None
    return made


def _summed(trainer: Trainer, module: DoseModule, counts: CodeCounts) -> CodeCounts:
    """Return the counts of all ranks."""
    table = trainer.strategy.reduce(torch.stack(counts).to(module.device), reduce_op="sum")
    assert isinstance(table, torch.Tensor)
    full, onset = table.cpu()
    return CodeCounts(full, onset)
