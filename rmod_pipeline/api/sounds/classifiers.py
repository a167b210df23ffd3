"""Classifiers of sounds: train one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import LibraryLike, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.library.asset import Library
    from rmod_pipeline.training.classifier.sounds import LabelledSound
    from rmod_pipeline.training.loop.fit import TrainingReport

logger = logging.getLogger(__name__)


@speaks_python
def train_classifier(
    recipe: str | Path = "sounds",
    *,
    out: str | Path,
    libraries: Sequence[LibraryLike] = (BUILTIN,),
    licences: str = "any",
    pseudo_labels: Sequence[LibraryLike] = (),
    above: float = 0.95,
    teacher: str | Path | None = None,
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
    ``permissive``. pseudo_labels: libraries whose kinds are not known; of these, the sounds that ``teacher`` is sure of
    are learned too, with a confidence of at least ``above``; by default it is the classifier that rmod ships. steps: in
    place of the recipe's. until: stop after the validation at or after this step. workers: processes that vary the
    sounds, 0 for one per core. Returns the report, on the first rank only. Raises RecipeError, LibraryError,
    ModelError, UsageError.
    """
    from rmod_pipeline.classification.recipe import load_classifier_recipe, with_steps
    from rmod_pipeline.codec.torch_support import require_packages, require_torch
    from rmod_pipeline.errors import ModelError
    from rmod_pipeline.library.licences.selection import parse_licence_class, select_by_class
    from rmod_pipeline.progress import scan_progress, training_progress
    from rmod_pipeline.storage.process_identity import available_cores

    loaded, licence_class = with_steps(load_classifier_recipe(str(recipe)), steps), parse_licence_class(licences)
    require_torch(ModelError, "train")
    with require_packages("training", "train"):
        from rmod_pipeline.training.classifier.train import ClassifierTraining, train_on_sounds
        from rmod_pipeline.training.loop.trainer import DeviceSettings
    whole = [open_library(library, progress=progress) for library in libraries]
    opened = [select_by_class(library, licence_class) for library in whole]
    unknown = [select_by_class(open_library(library, progress=progress), licence_class) for library in pseudo_labels]
    processes = workers or available_cores()
    training = ClassifierTraining(
        recipe=loaded,
        libraries=opened,
        # The whole libraries: what is measured on is held out whatever its licence.
        extra=_label_by_ear(unknown, whole, teacher, above=above, workers=processes, progress=progress),
        out=parse_local_path(out, "--out"),
        until=until,
        wandb=wandb,
        machine=DeviceSettings(device=device),
        workers=processes,
    )
    with scan_progress(progress) as on_sound, training_progress(progress) as listener:
        report = train_on_sounds(training, listener, on_sound)
    if report is not None and on_report:
        on_report(report)
    return report


def _label_by_ear(
    unknown: Sequence[Library],
    labelled: Sequence[Library],
    teacher: str | Path | None,
    *,
    above: float,
    workers: int,
    progress: bool,
) -> tuple[LabelledSound, ...]:
    """Return the sounds of libraries that a classifier is sure of, and log how many there are."""
    from rmod_pipeline.curation.classify_files import ClassifierChoice
    from rmod_pipeline.curation.pseudo_labels import find_pseudo_labels
    from rmod_pipeline.progress import scan_progress

    if not unknown:
        return ()
    choice = ClassifierChoice(None if teacher is None else parse_local_path(teacher, "--teacher"))
    with scan_progress(progress) as on_sound:
        found = find_pseudo_labels(unknown, labelled, choice, above=above, workers=workers, progress=on_sound)
    logger.warning("%s", found.describe())
    return found.sounds
