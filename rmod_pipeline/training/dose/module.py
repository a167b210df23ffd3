"""What lightning is told of DOSE: a step, a loss, a learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from rmod_pipeline.dose.loss import dose_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, DoseSchedule
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError
from rmod_pipeline.training.dose.data import Batch, LoaderSettings, TokenData, TrainLoader, ValidationLoader
from rmod_pipeline.training.dose.losses import StepLosses, means
from rmod_pipeline.training.dose.optimizer import RATE, optimizer_of

Mine = TypeVar("Mine")

VALID_LOSS = "valid/full"
"""What tells the best checkpoint and ends a training: as the paper, the loss of the whole one-shot."""


def learning_rate_at(schedule: DoseSchedule, step: int) -> float:
    """Return a step's learning rate: a linear warm-up, then half a cosine down to the final share."""
    warm = min(1.0, (step + 1) / (schedule.warm_up_steps + 1))
    share = min(max(step - schedule.warm_up_steps, 0) / (schedule.steps - schedule.warm_up_steps), 1.0)
    cosine = schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * share))
    return schedule.learning_rate * warm * cosine


class DoseModule(LightningModule):
    """A DOSE model in the making.

    Its learning rate and its random numbers are functions of recipe and step, so no state of either is kept.
    """

    def __init__(self, recipe: DoseRecipe, instruments: Sequence[str], data: TokenData, workers: int = 0) -> None:
        super().__init__()
        self.recipe, self.instruments, self.data, self.workers = recipe, tuple(instruments), data, workers
        torch.manual_seed(recipe.seed)
        self.model = Dose(recipe.model, len(self.instruments))
        self.held_out: StepLosses = {}
        """Losses of the latest validation."""
        self.legs: TrainLoader | None = None
        self.once: ValidationLoader | None = None
        self._loss = self._full = torch.tensor(0.0)
        self._keys: Sequence[str] = ()
        self._sums = torch.zeros(len(self.instruments), 2, 2, dtype=torch.float64)
        """[instruments, (full, onset), (nats, codes)] of a validation so far."""
        self._validated: list[tuple[Tensor, list[str]]] = []
        """The loss of each of its batches, and of which pairs."""

    @property
    def reading(self) -> LoaderSettings:
        """How this rank reads."""
        trainer = self.trainer
        pin = trainer.strategy.root_device.type == "cuda"
        return LoaderSettings(rank=trainer.global_rank, world=trainer.world_size, workers=self.workers, pin=pin)

    def setup(self, stage: str) -> None:  # noqa: ARG002
        self.legs = TrainLoader(self.data, self.recipe, self.instruments, self.reading, lambda: self.global_step)
        self.once = ValidationLoader(self.data, self.recipe, self.instruments, self.reading)

    def close(self) -> None:
        """Let the processes that read shards go."""
        for batches in (self.legs, self.once):
            if batches is not None:
                batches.close()

    @property
    def latest_loss(self) -> float:
        """The full loss of the latest step's pairs."""
        return float(self._full)

    def train_dataloader(self) -> Iterable[Batch]:
        assert self.legs is not None
        return self.legs

    def val_dataloader(self) -> Iterable[Batch]:
        assert self.once is not None
        return self.once

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return optimizer_of(self.model, self.recipe.schedule)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        schedule, step = self.recipe.schedule, self.global_step
        if step % schedule.check_every_steps == 0:
            draw = Draw.of("dose training", self.recipe.seed, step, self.global_rank)
            torch.manual_seed(draw.bits(1)[0] >> 1)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = learning_rate_at(schedule, step) * group.get(RATE, 1.0)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        losses = dose_losses(self.model, batch.pairs(len(self.instruments) > 1), self.recipe.loss)
        self._loss, self._full, self._keys = losses.total.detach(), losses.full.detach(), batch.keys
        told = {"train/total": self._loss, "train/full": self._full, "train/onset": losses.onset.detach()}
        self.log_dict(told, batch_size=len(batch.keys))
        return losses.total

    def configure_gradient_clipping(self, *_args: Any, **_named: Any) -> None:
        """Limit the grad_norm that a step follows. Raises DoseError, on all ranks alike, if it is no number.

        A rank's NaN reaches every rank's grad_norm before this, so that none goes on alone and waits for the others.
        """
        grad_norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.schedule.clip)
        if not bool(torch.isfinite(grad_norm)):
            raise self._no_number()
        self.log("train/grad_norm", grad_norm)

    def _no_number(self) -> DoseError:
        everyone = self._of_all((bool(torch.isfinite(self._loss)), list(self._keys)))
        guilty = [keys for finite, keys in everyone if not finite] or [keys for _, keys in everyone]
        what = "the grad_norm" if all(finite for finite, _ in everyone) else "the loss"
        pairs = ", ".join(key for keys in guilty for key in keys)
        found = f"{what} is no number at step {self.global_step}; its pairs: {pairs}"
        return self._error(found, self.global_step >= self.recipe.schedule.check_every_steps)

    def _error(self, found: str, kept: bool) -> DoseError:
        there = "the latest checkpoint is kept; " if kept else ""
        hint = f"{there}look at these pairs, or lower schedule.learning_rate and begin anew"
        return DoseError(f"training {'-'.join(self.instruments)}", found, hint)

    def _of_all(self, mine: Mine) -> list[Mine]:
        """Return what each rank has."""
        if self.trainer.world_size == 1:
            return [mine]
        everyone = [mine for _ in range(self.trainer.world_size)]
        torch.distributed.all_gather_object(everyone, mine)
        return everyone

    def on_validation_epoch_start(self) -> None:
        self._validated = []
        self._sums = torch.zeros_like(self._sums, device=self.device)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        for place in range(len(self.instruments)):
            part = batch.of(place)
            if not part.keys:
                continue
            losses = dose_losses(self.model, part.pairs(len(self.instruments) > 1), self.recipe.loss)
            for row, loss, count in ((0, losses.full, losses.full_tokens), (1, losses.onset, losses.onset_tokens)):
                self._sums[place, row] += torch.stack([loss.double() * count, count.double()])
            self._validated.append((losses.full, part.keys))

    def on_validation_epoch_end(self) -> None:
        # Ranks differ in how many batches they had, and meet here alone.
        sums = self.trainer.strategy.reduce(self._sums, reduce_op="sum")
        assert isinstance(sums, Tensor)
        self.held_out = means(sums.cpu(), self.instruments)
        loss = self.held_out["all"]["full"]
        if not math.isfinite(loss):
            # Which pairs it was is only asked now: a look at each loss would hold up a GPU.
            mine = [key for full, keys in self._validated if not bool(torch.isfinite(full)) for key in keys]
            pairs = ", ".join(dict.fromkeys(key for keys in self._of_all(mine) for key in keys))
            found = f"the validation loss is no number at step {self.global_step}; its pairs: {pairs}"
            # The state is kept after the validation.
            raise self._error(found, self.global_step > self.recipe.schedule.check_every_steps)
        told = {f"valid/{part}": value for part, value in self.held_out["all"].items()}
        self.log_dict(told, sync_dist=self.trainer.world_size > 1, batch_size=1)
