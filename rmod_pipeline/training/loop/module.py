"""Define what a training has to bring: the LightningModule that the models of this package implement.

It holds what does not depend on the model: loaders, learning rate, random numbers, clipping, checks of the losses.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ModelError
from rmod_pipeline.recipe.schedule import TrainingRecipe
from rmod_pipeline.training.loop.loaders import BatchLoader, IntervalLoader, LoaderSettings
from rmod_pipeline.training.loop.optimizer import RATE, learning_rate_at

Value = TypeVar("Value")

HeldOutLosses = Mapping[str, Mapping[str, float]]
"""By instrument, and by ``all`` for all instruments together: the losses by name, first the one that selects."""


def average_losses(sums: Tensor, instruments: Sequence[str], parts: Sequence[str]) -> HeldOutLosses:
    """Return the means of sums [instruments, parts, (sum, count)], by instrument and for all together."""
    tables = {"all": sums.sum(0), **dict(zip(instruments, sums, strict=True))}
    return {
        name: {part: float(total / count.clamp_min(1)) for part, (total, count) in zip(parts, table, strict=True)}
        for name, table in tables.items()
    }


class TrainingModule(LightningModule, ABC):
    """A model in training.

    Learning rate and random numbers are functions of recipe and step, so the state of neither is saved.
    """

    kind: ClassVar[str]
    """The name of the kind of model, such as ``dose``; part of the names of random streams."""
    loss_parts: ClassVar[tuple[str, ...]]
    """The losses that a validation measures. The first selects the best checkpoint and ends a training."""
    unit: ClassVar[str]
    """What ``count_units`` counts, such as tokens."""
    recipe: TrainingRecipe
    model: nn.Module

    def __init__(self, recipe: TrainingRecipe, instruments: Sequence[str], workers: int = 0) -> None:
        """Seed torch; a subclass makes the model next."""
        super().__init__()
        self.recipe, self.instruments, self.workers = recipe, tuple(instruments), workers
        torch.manual_seed(recipe.seed)
        self.held_out: HeldOutLosses = {}
        """Losses of the latest validation."""
        self.train_loader: IntervalLoader | None = None
        self.validation_loader: BatchLoader | None = None
        self._loss = self._selecting_loss = torch.tensor(0.0)
        self._keys: Sequence[str] = ()
        """Keys of the latest training batch."""
        self._sums = torch.zeros(len(self.instruments), len(self.loss_parts), 2, dtype=torch.float64)
        """Losses of the current validation: [instruments, parts, (sum, count)]."""
        self._batch_losses: list[tuple[Tensor, Sequence[str]]] = []
        """Loss and keys of each of its batches."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of this training: of its folder, and in messages."""

    @property
    @abstractmethod
    def best_file(self) -> str:
        """The file name of the best checkpoint."""

    @abstractmethod
    def encode_best(self, progress: Mapping[str, Any]) -> bytes:
        """Return the bytes of the best checkpoint; ``progress`` holds its step and held-out losses."""

    @abstractmethod
    def identify(self) -> dict[str, Any]:
        """Return what distinguishes the state of this training from that of another, as plain values."""

    @abstractmethod
    def open_loaders(self, settings: LoaderSettings) -> tuple[IntervalLoader, BatchLoader]:
        """Open the loaders of training and of validation. Their batches have ``keys``."""

    @abstractmethod
    def compute_step_losses(self, batch: Any) -> Mapping[str, Tensor]:
        """Return the losses of a training batch to log, each a scalar; ``total`` is the one to minimise."""

    @abstractmethod
    def count_units(self, batch: Any) -> int:
        """Return the size of a training batch for the report of the speed, in ``unit``."""

    @property
    def selecting_loss(self) -> str:
        """The name of the loss that selects the best checkpoint and ends a training."""
        return self.loss_parts[0]

    @property
    def valid_loss(self) -> str:
        """The metric of that loss on the valid split."""
        return f"valid/{self.selecting_loss}"

    @property
    def loader_settings(self) -> LoaderSettings:
        """The settings by which this rank reads the data."""
        trainer = self.trainer
        return LoaderSettings(
            rank=trainer.global_rank,
            world_size=trainer.world_size,
            workers=self.workers,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )

    @property
    def latest_loss(self) -> float:
        """The selecting loss of the latest training batch."""
        return float(self._selecting_loss)

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Open the loaders."""
        self.train_loader, self.validation_loader = self.open_loaders(self.loader_settings)

    def close(self) -> None:
        """Stop the processes that read shards."""
        for loader in (self.train_loader, self.validation_loader):
            if loader is not None:
                loader.close()

    def train_dataloader(self) -> Iterable[Any]:
        """Return the loader of training batches."""
        assert self.train_loader is not None
        return self.train_loader

    def val_dataloader(self) -> Iterable[Any]:
        """Return the loader of validation batches."""
        assert self.validation_loader is not None
        return self.validation_loader

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rate; at the start of an interval, seed torch's random numbers."""
        schedule, step = self.recipe.schedule, self.global_step
        if step % schedule.check_every_steps == 0:
            draw = Draw.of(f"{self.kind} training", self.recipe.seed, step, self.global_rank)
            torch.manual_seed(draw.bits(1)[0] >> 1)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate_at(schedule, step) * group.get(RATE, 1.0)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the total loss of a batch, and log its parts."""
        losses = self.compute_step_losses(batch)
        metrics = {name: loss.detach() for name, loss in losses.items()}
        self._loss, self._selecting_loss, self._keys = metrics["total"], metrics[self.selecting_loss], batch.keys
        self.log_dict({f"train/{name}": loss for name, loss in metrics.items()}, batch_size=len(batch.keys))
        return losses["total"]

    def configure_gradient_clipping(self, *_args: Any, **_named: Any) -> None:
        """Clip and log the gradient norm. Raises ModelError, on all ranks alike, if it is not finite.

        The gradients are averaged over ranks before this. So a NaN of one rank is seen by all, and no rank continues
        alone and waits for the others.
        """
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.schedule.clip)
        if not bool(torch.isfinite(grad_norm)):
            raise self._explain_gradient()
        self.log("train/grad_norm", grad_norm)

    def on_validation_epoch_start(self) -> None:
        """Reset the sums of the losses."""
        self._batch_losses = []
        self._sums = torch.zeros_like(self._sums, device=self.device)

    def add_validation(self, instrument: int | slice, sums: Tensor, loss: Tensor, keys: Sequence[str]) -> None:
        """Add the sums [parts, (sum, count)] of a batch to those of instruments; ``loss`` is of the pairs ``keys``."""
        self._sums[instrument] += sums
        self._batch_losses.append((loss, keys))

    def on_validation_epoch_end(self) -> None:
        """Compute and log the held-out losses of all ranks. Raises ModelError if they are not finite."""
        # Ranks may have different numbers of batches; they synchronise only here.
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        assert isinstance(sums, Tensor)
        self.held_out = average_losses(sums.cpu(), self.instruments, self.loss_parts)
        if not math.isfinite(self.held_out["all"][self.selecting_loss]):
            raise self._explain_validation()
        metrics = {f"valid/{part}": value for part, value in self.held_out["all"].items()}
        self.log_dict(metrics, sync_dist=self.trainer.world_size > 1, batch_size=1)

    def _explain_gradient(self) -> ModelError:
        """Return the error for a gradient that is not finite, with the pairs of the ranks that caused it."""
        ranks = self._gather((bool(torch.isfinite(self._loss)), list(self._keys)))
        causes = [keys for finite, keys in ranks if not finite] or [keys for _, keys in ranks]
        subject = "the gradient" if all(finite for finite, _ in ranks) else "the loss"
        pairs = ", ".join(key for keys in causes for key in keys)
        found = f"{subject} is not finite at step {self.global_step}; its pairs: {pairs}"
        return self._training_error(found, has_checkpoint=self.global_step >= self.recipe.schedule.check_every_steps)

    def _explain_validation(self) -> ModelError:
        """Return the error for a validation loss that is not finite, with the pairs that caused it."""
        # Losses are examined only now, because doing so after each batch would make a GPU wait.
        own_keys = [key for loss, keys in self._batch_losses if not bool(torch.isfinite(loss)) for key in keys]
        pairs = ", ".join(dict.fromkeys(key for keys in self._gather(own_keys) for key in keys))
        found = f"the validation loss is not finite at step {self.global_step}; its pairs: {pairs}"
        # The checkpoint of an interval is written after its validation.
        return self._training_error(found, has_checkpoint=self.global_step > self.recipe.schedule.check_every_steps)

    def _training_error(self, found: str, has_checkpoint: bool) -> ModelError:
        kept = "the latest checkpoint is kept; " if has_checkpoint else ""
        hint = f"{kept}check these pairs, or lower schedule.learning_rate and choose another --out"
        return ModelError(f"training {self.name}", found, hint)

    def _gather(self, value: Value) -> list[Value]:
        """Return the values of all ranks."""
        if self.trainer.world_size == 1:
            return [value]
        values = [value for _ in range(self.trainer.world_size)]
        torch.distributed.all_gather_object(values, value)
        return values
