"""Compare systems that tell the class of a one-shot: the story.

libraries -> sounds -> folds -> for each fold, systems learn and answer -> scores -> tables
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.errors import LibraryError, UsageError, nearest
from rmod_pipeline.evaluation.classifiers.folds import FEWEST_FOLDS, Fold, count_families, make_folds
from rmod_pipeline.evaluation.classifiers.label_sets import list_label_sets
from rmod_pipeline.evaluation.classifiers.results import (
    ComparisonResults,
    LabelSetResults,
    SystemScores,
    answers_path,
    claim_comparison,
    read_fold_answers,
    refuse_foreign_folder,
    write_answers,
)
from rmod_pipeline.evaluation.classifiers.scores import score
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds, embed_sounds, prepare_compared_sounds
from rmod_pipeline.evaluation.classifiers.systems import SYSTEMS
from rmod_pipeline.evaluation.classifiers.systems.base import FoldInputs, GuardedLabels, GuardedVectors, TestGuard
from rmod_pipeline.evaluation.classifiers.systems.networks import FoldNetwork, GuardedMaterial
from rmod_pipeline.evaluation.embeddings.base import Embedding
from rmod_pipeline.evaluation.figures.statistics import compare_paired
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.storage.writing import check_writable_folder
from rmod_pipeline.training.classifier.material import SoundMaterial, prepare_sound_material
from rmod_pipeline.training.classifier.sounds import LabelledSound, synthesized_sounds
from rmod_pipeline.training.classifier.train import MATERIAL
from rmod_pipeline.training.loop.monitor import ProgressListener

logger = logging.getLogger(__name__)

NETWORKS = "networks"
VERSION = 1
"""A change that alters answers gets another number."""
FOLDS = 5


def _ignore(_step: str, _done: int, _total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierComparison:
    """What to compare, on which sounds, and where to write."""

    libraries: Sequence[Library]
    recipe: ClassifierRecipe
    """Of the network that is trained in each fold."""
    out: Path
    folds: int = FOLDS
    systems: Sequence[str] | None = None
    """Names of ``SYSTEMS``; None: all for which there are weights."""
    yamnet: Embedding | None = None
    workers: int = 1
    progress: ScanProgress = field(default=_ignore)


def compare_systems(comparison: ClassifierComparison) -> tuple[ComparisonResults, ComparedSounds]:
    """Let each system answer all sounds by cross-validation over kits; return all figures, and the sounds.

    Answers that the folder has are not made again. Raises RmodError.
    """
    names, notes = choose_systems(comparison)
    check_writable_folder(comparison.out)
    refuse_foreign_folder(comparison.out)
    compared = prepare_compared_sounds(
        comparison.libraries, comparison.out, workers=comparison.workers, progress=comparison.progress
    )
    about_library = comparison.libraries[0].manifest
    folds = make_folds(compared.kinds, compared.families, comparison.folds, about_library)
    scored = choose_scored_classes(compared, comparison.folds, about_library)
    about = describe(comparison, compared, folds)
    claim_comparison(about, comparison.recipe, comparison.out)
    answer_folds(comparison, compared, folds, names)
    answers = {name: gather_answers(comparison.out, compared, folds, name) for name in names}
    notes += describe_unscored(compared, scored, comparison.folds)
    tables = tuple(make_label_tables(compared, answers, scored))
    return ComparisonResults(about=about, tables=tables, answers=answers, notes=tuple(notes)), compared


def choose_systems(comparison: ClassifierComparison) -> tuple[list[str], list[str]]:
    """Return the names of the systems in the order of the tables, and a sentence if some are left out.

    Raises UsageError for an unknown name, for one that needs weights which are not given, and for too few folds.
    """
    if comparison.folds < FEWEST_FOLDS:
        raise UsageError("--folds", f"{comparison.folds} is too few", f"give {FEWEST_FOLDS} or more")
    chosen = list(SYSTEMS) if comparison.systems is None else list(comparison.systems)
    for name in chosen:
        if name not in SYSTEMS:
            found = f"'{name}' is no system{nearest(name, SYSTEMS)}"
            raise UsageError("--systems", found, f"the systems are {', '.join(SYSTEMS)}")
    if not chosen:
        raise UsageError("--systems", "names no system", f"the systems are {', '.join(SYSTEMS)}")
    without = [name for name in chosen if SYSTEMS[name].needs_yamnet and comparison.yamnet is None]
    if without and comparison.systems is not None:
        found = f"{without[0]} needs the weights of YAMNet, which rmod does not ship"
        raise UsageError("--systems", found, "give --yamnet yamnet.tflite, or leave the system out")
    names = [name for name in SYSTEMS if name in chosen and name not in without]
    notes = [f"Left out, because no --yamnet is given: {', '.join(without)}."] if without else []
    return names, notes


def choose_scored_classes(compared: ComparedSounds, folds: int, about: object) -> tuple[str, ...]:
    """Return the classes that are scored: those with at least as many kits as there are folds.

    Sounds of other classes are learned from and are not scored. Raises LibraryError if fewer than two are left.
    """
    counts = count_families(compared.kinds, compared.families)
    scored = tuple(name for name in CLASSES if counts.get(name, 0) >= folds)
    if len(scored) < 2:
        listed = ", ".join(f"{name} {count}" for name, count in counts.items())
        found = f"fewer than two classes have {folds} kits or more, as {folds} folds need: {listed}"
        raise LibraryError(about, found, "give libraries with more kits, or fewer --folds")
    return scored


def describe_unscored(compared: ComparedSounds, scored: Sequence[str], folds: int) -> list[str]:
    """Return sentences about classes that are not scored, and about sounds that cannot be read."""
    counts = count_families(compared.kinds, compared.families)
    few = [f"{name} ({counts[name]})" for name in CLASSES if name in counts and name not in scored]
    none = [name for name in CLASSES if name not in counts]
    notes = []
    if few:
        notes.append(
            f"Not scored, because they have fewer than {folds} kits (their sounds stay among the training sounds):"
            f" {', '.join(few)}."
        )
    if none:
        notes.append(f"Classes without a sound: {', '.join(none)}.")
    if compared.unreadable:
        notes.append(f"Left out, because they cannot be read: {len(compared.unreadable)} sounds.")
    return notes


def describe(comparison: ClassifierComparison, compared: ComparedSounds, folds: Sequence[Fold]) -> dict[str, Any]:
    """Return what a comparison is of: it must be equal for its answers to be used again."""
    return {
        "version": VERSION,
        "sounds": len(compared.sounds),
        "kits": len(set(compared.families)),
        "digest": compared.digest,
        "classes": list(CLASSES),
        "folds": [{name: len(getattr(fold, name)) for name in ("train", "valid", "test")} for fold in folds],
        "recipe": comparison.recipe.model_dump(mode="json"),
    }


def answer_folds(
    comparison: ClassifierComparison, compared: ComparedSounds, folds: Sequence[Fold], names: Sequence[str]
) -> None:
    """Write the answers of each system to the test sounds of each fold, unless they are there. Raises RmodError."""
    missing = {
        fold.number: [
            name
            for name in names
            if read_fold_answers(answers_path(comparison.out, name, fold.number), compared, fold.test) is None
        ]
        for fold in folds
    }
    shared = _prepare_inputs(comparison, compared, {name for several in missing.values() for name in several})
    done, total = len(names) * len(folds) - sum(map(len, missing.values())), len(names) * len(folds)
    for fold in folds:
        if not missing[fold.number]:
            continue
        guard = TestGuard(fold.test)
        inputs = open_inputs(comparison, shared, fold, guard)
        for name in missing[fold.number]:
            comparison.progress("Systems and folds", done, total)
            rows = answer_fold(name, inputs, fold, guard)
            write_answers(answers_path(comparison.out, name, fold.number), compared, fold.test, rows)
            right = float((rows.argmax(1) == compared.truth[list(fold.test)]).mean())
            logger.info("fold %d, %s: %.1f %% of %d sounds", fold.number + 1, name, 100 * right, len(fold.test))
            done += 1
            comparison.progress("Systems and folds", done, total)


def answer_fold(name: str, inputs: FoldInputs, fold: Fold, guard: TestGuard) -> NDArray[np.float64]:
    """Return the probabilities [n, classes] of a system for the test sounds of a fold; it learns from the others."""
    system = SYSTEMS[name].open(inputs)
    system.fit(fold)
    with guard.answering():
        return system.probabilities(fold.test)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedInputs:
    """What the systems of all folds read."""

    compared: ComparedSounds
    yamnet: NDArray[np.float32] | None
    """[sounds, dimensions]"""
    material: SoundMaterial | None


def open_inputs(comparison: ClassifierComparison, shared: SharedInputs, fold: Fold, guard: TestGuard) -> FoldInputs:
    """Return what the systems of a fold may read."""
    compared, material = shared.compared, shared.material
    network = None
    if material is not None:
        network = FoldNetwork(
            recipe=comparison.recipe,
            features=LogMel(bands=comparison.recipe.model.bands),
            libraries=compared.libraries,
            sounds=list_learned_sounds(compared, comparison.recipe),
            material=GuardedMaterial(frames=material.frames, parts=material.parts, guard=guard),
            folder=comparison.out / NETWORKS / f"fold-{fold.number + 1}",
            listener=_listen(comparison.progress, fold),
        )
    return FoldInputs(
        labels=GuardedLabels(truth=compared.truth, classes=len(CLASSES), guard=guard),
        hand_made=GuardedVectors(vectors=compared.hand_made, guard=guard),
        yamnet=None if shared.yamnet is None else GuardedVectors(vectors=shared.yamnet, guard=guard),
        network=network,
    )


def list_learned_sounds(compared: ComparedSounds, recipe: ClassifierRecipe) -> tuple[LabelledSound, ...]:
    """Return the sounds of a comparison and, after them, those that the recipe has synthesised for every network."""
    return (*compared.sounds, *synthesized_sounds(recipe.synthesised))


def _listen(progress: ScanProgress, fold: Fold) -> ProgressListener:
    name = f"Training, fold {fold.number + 1}"
    return ProgressListener(stepped=lambda state: progress(name, state.step, state.steps))


def _prepare_inputs(comparison: ClassifierComparison, compared: ComparedSounds, needed: set[str]) -> SharedInputs:
    """Return the inputs of these systems."""
    yamnet = material = None
    if comparison.yamnet is not None and any(SYSTEMS[name].needs_yamnet for name in needed):
        yamnet = embed_sounds(compared, comparison.yamnet, comparison.out, comparison.progress)
    if any(SYSTEMS[name].needs_network for name in needed):
        material = prepare_sound_material(
            list_learned_sounds(compared, comparison.recipe),
            comparison.recipe,
            LogMel(bands=comparison.recipe.model.bands),
            comparison.out / MATERIAL,
            workers=comparison.workers,
            progress=comparison.progress,
        )
    return SharedInputs(compared=compared, yamnet=yamnet, material=material)


def gather_answers(out: Path, compared: ComparedSounds, folds: Sequence[Fold], system: str) -> NDArray[np.float64]:
    """Return the stored answers of a system to all sounds [sounds, classes]. Raises UsageError for a missing file."""
    gathered = np.full((len(compared.sounds), len(CLASSES)), np.nan)
    for fold in folds:
        path = answers_path(out, system, fold.number)
        rows = read_fold_answers(path, compared, fold.test)
        if rows is None:
            raise UsageError(path, "is missing or damaged", "give the same command again: what is missing is made")
        gathered[list(fold.test)] = rows
    return gathered


def make_label_tables(
    compared: ComparedSounds, answers: dict[str, NDArray[np.float64]], scored: Sequence[str]
) -> Iterator[LabelSetResults]:
    """Yield the table of each set of labels of which at least two have sounds that are scored."""
    for label_set in list_label_sets():
        known = [name in scored and name in label_set.label_of for name in compared.kinds]
        chosen = np.flatnonzero(known)
        labels = label_set.labels
        truth = np.array([labels.index(label_set.label_of[compared.kinds[index]]) for index in chosen], np.int64)
        if len(set(truth.tolist())) < 2:
            continue
        families = [compared.families[index] for index in chosen]
        restricted = {name: label_set.restrict(rows[chosen], CLASSES) for name, rows in answers.items()}
        left_out = tuple(label for label in labels if label not in {labels[index] for index in truth})
        rows = tuple(_make_rows(restricted, truth, families))
        yield LabelSetResults(labels=label_set, rows=rows, left_out=left_out)


def _make_rows(
    restricted: dict[str, NDArray[np.float64]], truth: NDArray[np.int64], families: Sequence[str]
) -> Iterator[SystemScores]:
    errors = {name: (rows.argmax(1) != truth).astype(np.float64) for name, rows in restricted.items()}
    best = min(errors, key=lambda name: float(errors[name].mean()))
    for name, rows in restricted.items():
        behind = None if name == best else compare_paired(errors[name], errors[best], families)
        scores = score(rows, truth, families)
        yield SystemScores(system=name, title=SYSTEMS[name].title, scores=scores, behind_best=behind)
