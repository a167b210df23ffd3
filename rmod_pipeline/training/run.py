"""Run the training of a recipe, of whatever kind of model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.storage import Location
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.ear.train import EarTraining, train_ear
from rmod_pipeline.training.loop.fit import TrainingReport
from rmod_pipeline.training.loop.monitor import ProgressListener
from rmod_pipeline.training.loop.trainer import DeviceSettings
from rmod_pipeline.training.recipes import refuse_dose_options


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What a caller says of a training, besides its recipe."""

    data: Location
    out: Path
    codec: str | None = None
    """For DOSE: the codec whose tokens to use, or the path of its weights."""
    instrument: str | None = None
    """For DOSE: one of the recipe's instruments."""
    ear: Path | None = None
    """For DOSE with an ear: the ear in place of the one that rmod ships."""
    begin_from: Path | None = None
    until: int | None = None
    wandb: str | None = None
    machine: DeviceSettings = field(default_factory=DeviceSettings)


def train_recipe(
    recipe: DoseRecipe | EarRecipe, options: TrainingOptions, listener: ProgressListener
) -> Iterator[TrainingReport]:
    """Train the models of a recipe; yield a report of each, on the first rank only. Raises RmodError."""
    if isinstance(recipe, EarRecipe):
        return train_ear(_ear_training(recipe, options), listener)
    config = TrainingConfig(
        recipe=recipe,
        data=options.data,
        out=options.out,
        codec=options.codec,
        instrument=options.instrument,
        ear=options.ear,
        begin_from=options.begin_from,
        until=options.until,
        wandb=options.wandb,
        machine=options.machine,
    )
    return train_dose(config, listener)


def _ear_training(recipe: EarRecipe, options: TrainingOptions) -> EarTraining:
    """Return the training of an ear. Raises UsageError for options that only DOSE has."""
    refuse_dose_options(recipe, codec=options.codec, instrument=options.instrument, ear=options.ear)
    return EarTraining(
        recipe=recipe,
        data=options.data,
        out=options.out,
        begin_from=options.begin_from,
        until=options.until,
        wandb=options.wandb,
        machine=options.machine,
    )
