"""Compute the losses of a simple baseline before the first step of a training, and keep them in a file.

The baseline reads both splits to the end, so that a damaged shard is found at the start and not after hours of
training.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from rmod_pipeline.errors import ModelError, RmodError, ShardError
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.loop.checkpointing import DRAFTS
from rmod_pipeline.training.loop.examples import LoaderError
from rmod_pipeline.training.loop.module import HeldOutLosses, TrainingModule

Result = TypeVar("Result")


class Baseline(Callback):
    """Losses of a baseline on the valid split."""

    name: ClassVar[str]
    """The name in reports, and of the file."""
    loss_parts: ClassVar[Sequence[str]]
    """The losses that the baseline has."""

    def __init__(self, out: Path, folder: Path) -> None:
        self.path, self._drafts = folder / f"{self.name}.json", out / DRAFTS
        self.losses: HeldOutLosses = {}

    @abstractmethod
    def compute(self, trainer: Trainer, module: TrainingModule) -> HeldOutLosses:
        """Return the losses, the same on all ranks. Raises ShardError."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Read the losses of an earlier run, or compute them."""
        assert isinstance(pl_module, TrainingModule)
        # The first rank decides, because either all ranks compute or none does.
        stored: HeldOutLosses | None = self._read_stored(pl_module) if trainer.is_global_zero else None
        stored = trainer.strategy.broadcast(stored)
        self.losses = stored or self.compute(trainer, pl_module)
        if not stored and trainer.is_global_zero:
            with report_unwritable(self.path, kind=ModelError):
                publish_bytes(json.dumps(self.losses, indent=1).encode() + b"\n", self.path, self._drafts)

    def _read_stored(self, module: TrainingModule) -> HeldOutLosses | None:
        """Return the losses of an earlier run; None if the file is missing or unusable."""
        try:
            content = json.loads(self.path.read_bytes())
            names = ["all", *module.instruments]
            return {name: {part: float(content[name][part]) for part in self.loss_parts} for name in names}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


def run_on_all_ranks(trainer: Trainer, compute: Callable[[], Result]) -> Result:
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


def sum_over_ranks(trainer: Trainer, module: TrainingModule, table: Tensor) -> Tensor:
    """Return the sum of the tables of all ranks, on the CPU."""
    total = trainer.strategy.reduce(table.to(module.device), reduce_op="sum")
    assert isinstance(total, Tensor)
    return total.cpu()
