"""Define the LightningModule of an ear: loaders, losses of training and validation, and the best checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.ear.checkpoint import FILE_NAME, EarCheckpoint, encode_ear_checkpoint
from rmod_pipeline.ear.loss import LOSS_PARTS, compute_ear_losses
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarLossSettings, EarRecipe
from rmod_pipeline.training.ear.data import FeatureData
from rmod_pipeline.training.ear.examples import KeyedBatch
from rmod_pipeline.training.ear.loaders import EarTrainLoader, EarValidationLoader
from rmod_pipeline.training.loop.loaders import LoaderSettings
from rmod_pipeline.training.loop.module import TrainingModule
from rmod_pipeline.training.loop.optimizer import make_optimizer

TOTAL = "total"


class EarModule(TrainingModule):
    """An ear in training. The weighted sum of all losses selects the best checkpoint."""

    kind, loss_parts, unit = "ear", (TOTAL, *LOSS_PARTS), "pairs"
    recipe: EarRecipe
    model: Ear

    def __init__(self, recipe: EarRecipe, data: FeatureData, workers: int = 0) -> None:
        super().__init__(recipe, recipe.instruments, workers)
        self.data = data
        self.model = Ear(recipe.model, recipe.instruments)

    @property
    def name(self) -> str:
        """``ear``: one model hears all instruments."""
        return self.kind

    @property
    def best_file(self) -> str:
        """The file name of the best checkpoint."""
        return FILE_NAME

    def encode_best(self, progress: Mapping[str, Any]) -> bytes:
        """Return the bytes of the best checkpoint."""
        checkpoint = EarCheckpoint(
            recipe=self.recipe, features=self.data.definition, progress=progress, state=self.model.state_dict()
        )
        return encode_ear_checkpoint(checkpoint)

    def identify(self) -> dict[str, Any]:
        """Return recipe, instruments and features."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "instruments": list(self.instruments),
            "features": self.data.definition.to_dict(),
        }

    def open_loaders(self, settings: LoaderSettings) -> tuple[EarTrainLoader, EarValidationLoader]:
        """Open the loaders."""
        return (
            EarTrainLoader(self.data, self.recipe, settings, lambda: self.global_step),
            EarValidationLoader(self.data, self.recipe, settings),
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the recipe."""
        return make_optimizer(self.model, self.recipe.schedule, self.model)

    def compute_step_losses(self, batch: KeyedBatch) -> dict[str, Tensor]:
        """Return the losses of a training batch: the total, and its parts averaged over instruments."""
        losses = compute_ear_losses(self.model, batch.to_ear(), self.recipe.loss)
        return {TOTAL: losses.total, **{name: losses.parts[name].mean() for name in LOSS_PARTS}}

    def count_units(self, batch: KeyedBatch) -> int:
        """Return the number of pairs."""
        return len(batch.keys)

    def validation_step(self, batch: KeyedBatch, batch_idx: int) -> None:  # noqa: ARG002
        """Add the losses of a batch, for each instrument."""
        losses = compute_ear_losses(self.model, batch.to_ear(), self.recipe.loss)
        parts = torch.stack([losses.parts[name].double() for name in LOSS_PARTS], dim=1)
        means = torch.cat([weigh_parts(parts, self.recipe.loss), parts], dim=1)
        counts = torch.full_like(means, len(batch.keys))
        self.add_validation(slice(None), torch.stack([means * counts, counts], dim=2), losses.total, batch.keys)


def weigh_parts(parts: Tensor, settings: EarLossSettings) -> Tensor:
    """Return the total of each instrument, [instruments, 1], for its losses [instruments, parts]."""
    weights = parts.new_tensor([getattr(settings, name) for name in LOSS_PARTS])
    return (parts * weights).sum(1, keepdim=True)
