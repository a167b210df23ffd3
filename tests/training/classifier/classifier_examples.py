"""A small training of a classifier: few sounds of the built-in kit, few steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rmod_pipeline.classification.recipe import ClassifierRecipe, ClassifierSize, SoundVariation
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import compute_library_digest
from rmod_pipeline.recipe.schedule import TrainingSchedule
from rmod_pipeline.training.classifier.train import ClassifierTraining, train_on_sounds
from rmod_pipeline.training.loop.fit import TrainingReport
from rmod_pipeline.training.loop.trainer import DeviceSettings

KINDS = ("kick", "snare", "hihat", "openhat", "bass")

RECIPE = ClassifierRecipe(
    name="small",
    model=ClassifierSize(channels=(4, 8), width=12, embedding=8, seconds=0.5),
    variation=SoundVariation(copies=1, mp3=0.5),
    schedule=TrainingSchedule(steps=6, check_every_steps=2, batch=8, learning_rate=3e-3, patience=None),
)


def select(library: Library, per_kind: int, splits: Sequence[str] = ("train", "valid")) -> Library:
    """Return a library with a few sounds per kind and split."""
    assets = [asset for kind in KINDS for split in splits for asset in library.select(kind, split)[:per_kind]]
    ordered = tuple(sorted(assets, key=lambda asset: asset.id))
    return replace(library, assets=ordered, digest=compute_library_digest(ordered))


def train(library: Library, out: Path, until: int | None = None, recipe: ClassifierRecipe = RECIPE) -> TrainingReport:
    """Train a classifier, or resume its training."""
    machine = DeviceSettings(device="cpu")
    training = ClassifierTraining(recipe=recipe, libraries=[library], out=out, until=until, machine=machine)
    report = train_on_sounds(training)
    assert report is not None
    return report
