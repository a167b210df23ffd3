"""Compute the unigram baseline before the first step of a training, on all ranks, and keep it in a file.

It reads both splits to the end, so that a damaged shard is found at the start and not after hours of training.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from rmod_pipeline.dose.loss import LOSS_PARTS, HeldOutLosses
from rmod_pipeline.errors import DoseError, RmodError, ShardError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.dose.data import TRAIN, VALID
from rmod_pipeline.training.dose.examples import LoaderError
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.unigram import CodeCounts, count_split, unigram_losses

Result = TypeVar("Result")


class UnigramBaseline(Callback):
    """Losses of the unigram baseline on the valid split."""

    def __init__(self, path: Path, drafts: Path) -> None:
        self.path, self._drafts = path, drafts
        self.losses: HeldOutLosses = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the losses of an earlier run, or compute them."""
        assert isinstance(pl_module, DoseModule)
        # The first rank decides, because either all ranks count or none does.
        stored: HeldOutLosses | None = self._read_stored(pl_module) if trainer.is_global_zero else None
        stored = trainer.strategy.broadcast(stored)
        self.losses = stored or self._compute(trainer, pl_module)

    def _read_stored(self, module: DoseModule) -> HeldOutLosses | None:
        """Return the losses of an earlier run; None if the file is missing or unusable."""
        try:
            content = json.loads(self.path.read_bytes())
            names = ["all", *module.instruments]
            return {name: {part: float(content[name][part]) for part in LOSS_PARTS} for name in names}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def _compute(self, trainer: Trainer, module: DoseModule) -> HeldOutLosses:
        own_counts = _run_on_all_ranks(trainer, lambda: [_count_own_share(module, split) for split in (TRAIN, VALID)])
        train, valid = (
            {name: _sum_over_ranks(trainer, module, counts) for name, counts in split.items()} for split in own_counts
        )
        losses = unigram_losses(train, valid)
        if trainer.is_global_zero:
            with report_unwritable(self.path, kind=DoseError):
                publish_bytes(json.dumps(losses, indent=1).encode() + b"\n", self.path, self._drafts)
        return losses


def _count_own_share(module: DoseModule, split: str) -> dict[str, CodeCounts]:
    """Count the codes of this rank's share of a split."""
    return count_split(module.data, split, module.recipe, module.instruments, module.loader_settings)


def _run_on_all_ranks(trainer: Trainer, compute: Callable[[], Result]) -> Result:
    """Return this rank's result. Raises ShardError on every rank if any rank fails, so that no rank waits for it."""
    result, failure = None, None
    try:
        result = compute()
    except RmodError as error:
        failure = LoaderError(error.about, error.found, error.hint)
    failures = [failure]
    if trainer.world_size > 1:
        failures = [None for _ in range(trainer.world_size)]
        torch.distributed.all_gather_object(failures, failure)
    for rank_failure in failures:
        if rank_failure is not None:
            raise ShardError(*rank_failure)
    assert result is not None
    return result


def _sum_over_ranks(trainer: Trainer, module: DoseModule, counts: CodeCounts) -> CodeCounts:
    """Return the sum of the counts of all ranks."""
    table = trainer.strategy.reduce(torch.stack(counts).to(module.device), reduce_op="sum")
    assert isinstance(table, torch.Tensor)
    full, onset = table.cpu()
    return CodeCounts(full, onset)
