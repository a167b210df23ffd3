"""Define the LightningModule of DOSE: loaders, losses of training and validation, and the best checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, checkpoint_name, encode_dose_checkpoint
from rmod_pipeline.dose.hearing import Hearing
from rmod_pipeline.dose.loss import LOSS_PARTS, compute_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.training.dose.data import TokenData
from rmod_pipeline.training.dose.examples import ExampleBatch
from rmod_pipeline.training.dose.loaders import TrainLoader, ValidationLoader
from rmod_pipeline.training.loop.loaders import LoaderSettings
from rmod_pipeline.training.loop.module import TrainingModule
from rmod_pipeline.training.loop.optimizer import make_optimizer


class DoseModule(TrainingModule):
    """A DOSE model in training. As in the paper, the loss of the whole one-shot selects the best checkpoint."""

    kind, loss_parts, unit = "dose", LOSS_PARTS, "tokens"
    recipe: DoseRecipe
    model: Dose

    def __init__(
        self,
        recipe: DoseRecipe,
        instruments: Sequence[str],
        data: TokenData,
        workers: int = 0,
        hearing: Hearing | None = None,
    ) -> None:
        super().__init__(recipe, instruments, workers)
        self.data = data
        self.model = Dose(recipe.model, len(self.instruments), hearing)

    @property
    def name(self) -> str:
        """The names of the instruments."""
        return "-".join(self.instruments)

    @property
    def best_file(self) -> str:
        """The file name of the best checkpoint."""
        return checkpoint_name(self.instruments)

    def encode_best(self, progress: Mapping[str, Any]) -> bytes:
        """Return the bytes of the best checkpoint."""
        checkpoint = DoseCheckpoint(
            recipe=self.recipe,
            instruments=self.instruments,
            codec=self.data.identity.to_dict(),
            progress=progress,
            hearing=self.model.hearing,
            state=self.model.state_dict(),
        )
        return encode_dose_checkpoint(checkpoint)

    def identify(self) -> dict[str, Any]:
        """Return recipe, instruments and codec, and for a model that hears how it does."""
        hearing = self.model.hearing
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "instruments": list(self.instruments),
            "codec": self.data.identity.to_dict(),
            **({} if hearing is None else {"hearing": hearing.to_dict()}),
        }

    def open_loaders(self, settings: LoaderSettings) -> tuple[TrainLoader, ValidationLoader]:
        """Open the loaders."""
        return (
            TrainLoader(self.data, self.recipe, self.instruments, settings, lambda: self.global_step),
            ValidationLoader(self.data, self.recipe, self.instruments, settings),
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the recipe."""
        return make_optimizer(self.model, self.recipe.schedule, self.model.blocks)

    def compute_step_losses(self, batch: ExampleBatch) -> dict[str, Tensor]:
        """Return the losses of a training batch."""
        losses = compute_losses(self.model, batch.to_tokens(len(self.instruments) > 1), self.recipe.loss)
        return {"total": losses.total, "full": losses.full, "onset": losses.onset}

    def count_units(self, batch: ExampleBatch) -> int:
        """Return the number of codes of mixtures and one-shots."""
        return batch.mixtures.numel() + batch.targets.numel()

    def validation_step(self, batch: ExampleBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the losses of a batch, for each instrument."""
        for instrument in range(len(self.instruments)):
            part = batch.select(instrument)
            if not part.keys:
                continue
            losses = compute_losses(self.model, part.to_tokens(len(self.instruments) > 1), self.recipe.loss)
            self.add_validation(instrument, losses.sums(), losses.full, part.keys)
