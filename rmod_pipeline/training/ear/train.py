"""Train an ear on a data set with features.

for report in train_ear(EarTraining(recipe=recipe, data=Path("OUT"), out=Path("DIR"))):
    report.best["held_out"]["kick"]["description"], report.baselines["mean"]["kick"]["description"]
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmod_pipeline.ear.checkpoint import EarCheckpoint, read_ear_checkpoint
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import ModelError
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import file_digest
from rmod_pipeline.training.ear.baseline import MeanBaseline
from rmod_pipeline.training.ear.data import FeatureData, open_features
from rmod_pipeline.training.ear.module import EarModule
from rmod_pipeline.training.loop.fit import (
    LoopSettings,
    TrainingReport,
    check_wandb,
    remove_empty_drafts,
    train_module,
)
from rmod_pipeline.training.loop.loaders import batch_per_rank
from rmod_pipeline.training.loop.monitor import ProgressListener
from rmod_pipeline.training.loop.optimizer import require_adamw
from rmod_pipeline.training.loop.run import claim_run
from rmod_pipeline.training.loop.trainer import DeviceSettings, detect_devices


@dataclass(frozen=True, slots=True, kw_only=True)
class EarTraining:
    """What to train, on which data, and where to write."""

    recipe: EarRecipe
    data: Location
    """A data set with features: its folder, or its location on an object store."""
    out: Path
    begin_from: Path | None = None
    """A checkpoint with the first weights."""
    until: int | None = None
    """Stop after the first validation at or after this step; the training can be resumed."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)


def train_ear(training: EarTraining, listener: ProgressListener | None = None) -> Iterator[TrainingReport]:
    """Train an ear; yield its report, on the first rank only.

    An interrupted training in the folder is resumed. Raises RmodError.
    """
    recipe, machine = training.recipe, detect_devices(training.machine)
    check_wandb(training.wandb)
    batch_per_rank(recipe, machine.world_size)
    require_adamw(recipe.name, recipe.schedule, "an ear")
    data = open_features(training.data, recipe, machine.world_size)
    checkpoint = _read_first_weights(training, data)
    digest = file_digest(training.begin_from) if training.begin_from else None
    claim_run(_describe_run(data, digest), recipe, training.out)
    module = EarModule(recipe, data, machine.workers)
    if checkpoint is not None:
        module.model.load_state_dict(checkpoint.state)
    settings = LoopSettings(out=training.out, until=training.until, wandb=training.wandb, machine=machine)
    report = train_module(module, MeanBaseline, settings, listener or ProgressListener())
    if report is not None:
        yield report
        remove_empty_drafts(training.out)


def _read_first_weights(training: EarTraining, data: FeatureData) -> EarCheckpoint | None:
    """Return the checkpoint with the first weights, if one is given and fits. Raises ModelError."""
    if training.begin_from is None:
        return None
    checkpoint, instruments = read_ear_checkpoint(training.begin_from), training.recipe.instruments
    if checkpoint.recipe.instruments != instruments:
        found = f"hears {', '.join(checkpoint.recipe.instruments)}, the recipe has {', '.join(instruments)}"
        raise ModelError(training.begin_from, found, "give an ear of the same instruments, in the same order")
    checkpoint.require_size(training.recipe.model)
    checkpoint.require_features(data.definition)
    return checkpoint


def _describe_run(data: FeatureData, begun_from: str | None) -> dict[str, Any]:
    """Return the content of run.json; ``begun_from`` is the SHA-256 of the checkpoint with the first weights."""
    return {
        "data": data.to_dict(),
        "features": data.definition.to_dict(),
        "begun_from": begun_from,
    }
