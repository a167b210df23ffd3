"""Train a classifier on the sounds of libraries.

report = train_on_sounds(ClassifierTraining(recipe=recipe, libraries=[library], out=Path("DIR")))
report.best["held_out"]["all"]["wrong"], report.baselines["frequencies"]["all"]["wrong"]
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.classification.labels import Leaves
from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.errors import LibraryError, ModelError
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.storage.writing import check_writable_folder
from rmod_pipeline.training.classifier.baseline import FrequencyBaseline
from rmod_pipeline.training.classifier.loaders import SoundData
from rmod_pipeline.training.classifier.material import SoundMaterial, prepare_sound_material
from rmod_pipeline.training.classifier.module import ClassifierModule
from rmod_pipeline.training.classifier.sounds import (
    LabelledSound,
    collect_sounds,
    require_classes,
    synthesized_sounds,
    taxonomy_leaves,
)
from rmod_pipeline.training.loop.data import TRAIN, VALID
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

MATERIAL = "material"
"""Folder of the computed levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierTraining:
    """What to train, on which sounds, and where to write."""

    recipe: ClassifierRecipe
    libraries: Sequence[Library]
    out: Path
    extra: Sequence[LabelledSound] = ()
    """More sounds to learn from, beside those of the libraries."""
    until: int | None = None
    """Stop after the first validation at or after this step; the training can be resumed."""
    wandb: str | None = None
    """A project of Weights & Biases to log to as well."""
    machine: DeviceSettings = field(default_factory=DeviceSettings)
    workers: int = 1
    """Processes that vary the sounds."""


def train_on_sounds(
    training: ClassifierTraining, listener: ProgressListener | None = None, progress: ScanProgress | None = None
) -> TrainingReport | None:
    """Train a classifier on the train splits of libraries; return its report, on the first rank only.

    The valid splits select the best model and calibrate it; the test splits are not read. An interrupted training in
    the folder is resumed. Raises RmodError.
    """
    synthesised = synthesized_sounds(training.recipe.synthesised)
    own = collect_sounds(training.libraries)
    known = {sound.key: sound for sound in (*synthesised, *training.extra, *own)}
    sounds = [known[key] for key in sorted(known) if known[key].split in (TRAIN, VALID)]
    for split in (TRAIN, VALID):
        require_classes(sounds, split, training.libraries[0].manifest)
    features = LogMel(bands=training.recipe.model.bands)
    check_writable_folder(training.out, kind=ModelError)
    material = prepare_sound_material(
        sounds, training.recipe, features, training.out / MATERIAL, workers=training.workers, progress=progress
    )
    data = split_sounds(sounds, material, {TRAIN}, {VALID})
    return fit_classifier(training, data, features, listener)


def fit_classifier(
    training: ClassifierTraining, data: SoundData, features: LogMel, listener: ProgressListener | None = None
) -> TrainingReport | None:
    """Train on sounds whose levels are computed. Raises RmodError."""
    recipe, machine = training.recipe, detect_devices(training.machine)
    check_wandb(training.wandb)
    batch_per_rank(recipe, machine.world_size)
    _check_recipe(recipe, features)
    digest = _digest_labels(data)
    claim_run({"sounds": digest, "features": features.to_dict()}, recipe, training.out)
    module = ClassifierModule(recipe, data, features, digest)
    settings = LoopSettings(out=training.out, until=training.until, wandb=training.wandb, machine=machine)
    report = train_module(module, FrequencyBaseline, settings, listener or ProgressListener())
    if report is not None:
        remove_empty_drafts(training.out)
    return report


def split_sounds(
    sounds: Sequence[LabelledSound],
    material: SoundMaterial,
    train: Collection[str],
    valid: Collection[str],
    leaves: Leaves | None = None,
) -> SoundData:
    """Return the data of a training: the readable sounds of the named splits. Raises LibraryError if there are none."""
    readable = [index for index, parts in enumerate(material.parts) if parts]
    chosen = {
        name: tuple(index for index in readable if sounds[index].split in splits)
        for name, splits in ((TRAIN, train), (VALID, valid))
    }
    for name, indices in chosen.items():
        if not indices:
            raise LibraryError("the sounds", f"none of the {name} split can be read", "see the warnings above")
    return SoundData(
        sounds=sounds,
        material=material,
        leaves=leaves or taxonomy_leaves(),
        train=chosen[TRAIN],
        valid=chosen[VALID],
    )


def _check_recipe(recipe: ClassifierRecipe, features: LogMel) -> None:
    require_adamw(recipe.name, recipe.schedule, "a classifier")
    if recipe.model.windows != len(features.windows):
        found = f"model.windows is {recipe.model.windows}, the features have {len(features.windows)}"
        raise ModelError(f"recipe {recipe.name}", found, f"set model.windows: {len(features.windows)}")


def _digest_labels(data: SoundData) -> str:
    """Return a digest of the sounds, their labels, and who learns from them."""
    rows = [
        [data.sounds[index].key, data.sounds[index].kind, data.sounds[index].subkind, name]
        for name, indices in ((TRAIN, data.train), (VALID, data.valid))
        for index in indices
    ]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
