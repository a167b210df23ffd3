"""Define the LightningModule of DOSE: loaders, training step, validation, learning rate and checks of the losses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from rmod_pipeline.dose.loss import HeldOutLosses, compute_losses, mean_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, DoseSchedule
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError
from rmod_pipeline.training.dose.data import TokenData
from rmod_pipeline.training.dose.examples import ExampleBatch
from rmod_pipeline.training.dose.loaders import LoaderSettings, TrainLoader, ValidationLoader
from rmod_pipeline.training.dose.optimizer import RATE, make_optimizer

Value = TypeVar("Value")

VALID_LOSS = "valid/full"
"""The loss that selects the best checkpoint and ends a training: as in the paper, that of the whole one-shot."""


def learning_rate_at(schedule: DoseSchedule, step: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then half a cosine down to the final share."""
    warm_up = min(1.0, (step + 1) / (schedule.warm_up_steps + 1))
    share = min(max(step - schedule.warm_up_steps, 0) / (schedule.steps - schedule.warm_up_steps), 1.0)
    cosine = schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * share))
    return schedule.learning_rate * warm_up * cosine


class DoseModule(LightningModule):
    """A DOSE model in training.

    Learning rate and random numbers are functions of recipe and step, so the state of neither is saved.
    """

    def __init__(self, recipe: DoseRecipe, instruments: Sequence[str], data: TokenData, workers: int = 0) -> None:
        super().__init__()
        self.recipe, self.instruments, self.data, self.workers = recipe, tuple(instruments), data, workers
        torch.manual_seed(recipe.seed)
        self.model = Dose(recipe.model, len(self.instruments))
        self.held_out: HeldOutLosses = {}
        """Losses of the latest validation."""
        self.train_loader: TrainLoader | None = None
        self.validation_loader: ValidationLoader | None = None
        self._loss = self._full_loss = torch.tensor(0.0)
        self._keys: Sequence[str] = ()
        """Keys of the latest training batch."""
        self._sums = torch.zeros(len(self.instruments), 2, 2, dtype=torch.float64)
        """Losses of the current validation: [instruments, (full, onset), (nats, codes)]."""
        self._batch_losses: list[tuple[Tensor, list[str]]] = []
        """Loss and keys of each of its batches."""

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
        """The full loss of the latest training batch."""
        return float(self._full_loss)

    def setup(self, stage: str) -> None:  # noqa: ARG002
        """Open the loaders."""
        settings = self.loader_settings
        self.train_loader = TrainLoader(self.data, self.recipe, self.instruments, settings, lambda: self.global_step)
        self.validation_loader = ValidationLoader(self.data, self.recipe, self.instruments, settings)

    def close(self) -> None:
        """Stop the processes that read shards."""
        for loader in (self.train_loader, self.validation_loader):
            if loader is not None:
                loader.close()

    def train_dataloader(self) -> Iterable[ExampleBatch]:
        """Return the loader of training batches."""
        assert self.train_loader is not None
        return self.train_loader

    def val_dataloader(self) -> Iterable[ExampleBatch]:
        """Return the loader of validation batches."""
        assert self.validation_loader is not None
        return self.validation_loader

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the recipe."""
        return make_optimizer(self.model, self.recipe.schedule)

    def on_train_batch_start(self, batch: ExampleBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Set the learning rate; at the start of an interval, seed torch's random numbers."""
        schedule, step = self.recipe.schedule, self.global_step
        if step % schedule.check_every_steps == 0:
            draw = Draw.of("dose training", self.recipe.seed, step, self.global_rank)
            torch.manual_seed(draw.bits(1)[0] >> 1)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate_at(schedule, step) * group.get(RATE, 1.0)

    def training_step(self, batch: ExampleBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the total loss of a batch, and log its parts."""
        losses = compute_losses(self.model, batch.to_tokens(len(self.instruments) > 1), self.recipe.loss)
        self._loss, self._full_loss, self._keys = losses.total.detach(), losses.full.detach(), batch.keys
        metrics = {"train/total": self._loss, "train/full": self._full_loss, "train/onset": losses.onset.detach()}
        self.log_dict(metrics, batch_size=len(batch.keys))
        return losses.total

    def configure_gradient_clipping(self, *_args: Any, **_named: Any) -> None:
        """Clip and log the gradient norm. Raises DoseError, on all ranks alike, if it is not finite.

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

    def validation_step(self, batch: ExampleBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the losses of a batch, for each instrument."""
        for instrument in range(len(self.instruments)):
            part = batch.select(instrument)
            if not part.keys:
                continue
            losses = compute_losses(self.model, part.to_tokens(len(self.instruments) > 1), self.recipe.loss)
            self._sums[instrument] += losses.sums()
            self._batch_losses.append((losses.full, part.keys))

    def on_validation_epoch_end(self) -> None:
        """Compute and log the held-out losses of all ranks. Raises DoseError if they are not finite."""
        # Ranks may have different numbers of batches; they synchronise only here.
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        assert isinstance(sums, Tensor)
        self.held_out = mean_losses(sums.cpu(), self.instruments)
        if not math.isfinite(self.held_out["all"]["full"]):
            raise self._explain_validation()
        metrics = {f"valid/{part}": value for part, value in self.held_out["all"].items()}
        self.log_dict(metrics, sync_dist=self.trainer.world_size > 1, batch_size=1)

    def _explain_gradient(self) -> DoseError:
        """Return the error for a gradient that is not finite, with the pairs of the ranks that caused it."""
        ranks = self._gather((bool(torch.isfinite(self._loss)), list(self._keys)))
        causes = [keys for finite, keys in ranks if not finite] or [keys for _, keys in ranks]
        subject = "the gradient" if all(finite for finite, _ in ranks) else "the loss"
        pairs = ", ".join(key for keys in causes for key in keys)
        found = f"{subject} is not finite at step {self.global_step}; its pairs: {pairs}"
        return self._training_error(found, has_checkpoint=self.global_step >= self.recipe.schedule.check_every_steps)

    def _explain_validation(self) -> DoseError:
        """Return the error for a validation loss that is not finite, with the pairs that caused it."""
        # Losses are examined only now, because doing so after each batch would make a GPU wait.
        own_keys = [key for loss, keys in self._batch_losses if not bool(torch.isfinite(loss)) for key in keys]
        pairs = ", ".join(dict.fromkeys(key for keys in self._gather(own_keys) for key in keys))
        found = f"the validation loss is not finite at step {self.global_step}; its pairs: {pairs}"
        # The checkpoint of an interval is written after its validation.
        return self._training_error(found, has_checkpoint=self.global_step > self.recipe.schedule.check_every_steps)

    def _training_error(self, found: str, has_checkpoint: bool) -> DoseError:
        kept = "the latest checkpoint is kept; " if has_checkpoint else ""
        hint = f"{kept}check these pairs, or lower schedule.learning_rate and choose another --out"
        return DoseError(f"training {'-'.join(self.instruments)}", found, hint)

    def _gather(self, value: Value) -> list[Value]:
        """Return the values of all ranks."""
        if self.trainer.world_size == 1:
            return [value]
        values = [value for _ in range(self.trainer.world_size)]
        torch.distributed.all_gather_object(values, value)
        return values
