"""Classifiers of sounds: train one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import LibraryLike, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.training.loop.fit import TrainingReport


@speaks_python
def train_classifier(
    recipe: str | Path = "sounds",
    *,
    out: str | Path,
    libraries: Sequence[LibraryLike] = (BUILTIN,),
    licences: str = "any",
    steps: int | None = None,
    until: int | None = None,
    device: str = "auto",
    workers: int = 0,
    wandb: str | None = None,
    on_report: Callable[[TrainingReport], None] | None = None,
    progress: bool = True,
) -> TrainingReport | None:
    """Train a classifier of one-shots on the train splits of libraries, or resume a training.

    recipe: ``sounds``, or a YAML file. libraries: names, manifests or folders; their valid splits select and calibrate
    the model, their test splits are not read. licences: use the sounds of a class of licences alone, such as
    ``permissive``. steps: in place of the recipe's. until: stop after the validation at or after this step. workers:
    processes that vary the sounds, 0 for one per core. Returns the report, on the first rank only. Raises RecipeError,
    LibraryError, ModelError, UsageError.
    """
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.errors import ModelError
    from rmod_pipeline.library.licences.selection import parse_licence_class, select_by_class
    from rmod_pipeline.progress import scan_progress, training_progress
    from rmod_pipeline.storage.process_identity import available_cores
    from rmod_pipeline.training.classifier.recipes import load_classifier_recipe, with_steps

    loaded, licence_class = with_steps(load_classifier_recipe(str(recipe)), steps), parse_licence_class(licences)
    require_torch(ModelError, "train")
    try:
        from rmod_pipeline.training.classifier.train import ClassifierTraining, train_classifier
        from rmod_pipeline.training.loop.trainer import DeviceSettings
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[train]'"
        raise ModelError("training", f"needs {error.name}, which is not installed", hint) from error
    opened = [select_by_class(open_library(library, progress=progress), licence_class) for library in libraries]
    training = ClassifierTraining(
        recipe=loaded,
        libraries=opened,
        out=parse_local_path(out, "--out"),
        until=until,
        wandb=wandb,
        machine=DeviceSettings(device=device),
        workers=workers or available_cores(),
    )
    with scan_progress(progress) as on_sound, training_progress(progress) as listener:
        report = train_classifier(training, listener, on_sound)
    if report is not None and on_report:
        on_report(report)
    return report
