"""Keep the answers of a comparison, a CSV per system and fold, and what the comparison is of.

    OUT/comparison.json                what is compared: sounds, folds, recipe
    OUT/answers/SYSTEM/fold-1.csv      key, truth, and the probability of every class
    OUT/networks/fold-1/               the network of a fold, and the state of its training
    OUT/material/, OUT/vectors/        what was computed of the sounds

A file of answers appears complete or not at all, so a comparison that was stopped goes on where it was.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation.classifiers.label_sets import LabelSet
from rmod_pipeline.evaluation.classifiers.scores import Scores
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.evaluation.figures.statistics import PairedComparison
from rmod_pipeline.library.taxonomy import CLASSES
from rmod_pipeline.recipe.schedule import renew_recipe
from rmod_pipeline.shards.fingerprint import encode_fingerprint, refuse_differences
from rmod_pipeline.storage.publish import publish_bytes, publish_new
from rmod_pipeline.storage.writing import report_unwritable

logger = logging.getLogger(__name__)

COMPARISON, ANSWERS = "comparison.json", "answers"
WRITTEN = (ANSWERS, "table.md", "table.json", "report.html")
"""What stands in the folder of a comparison at its end; networks and computed levels are known by their own files."""
DIGITS = 6
"""Digits after the point of a stored probability."""
_TEMPORARY = "drafts"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemScores:
    """One row of a table: a system on a set of labels."""

    system: str
    title: str
    scores: Scores
    behind_best: PairedComparison | None
    """Share of errors of this system minus that of the best one on the same sounds; None for the best itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSetResults:
    """The table of one set of labels, in the order of the systems."""

    labels: LabelSet
    rows: tuple[SystemScores, ...]
    left_out: tuple[str, ...]
    """Labels that are not scored, because they have fewer kits than there are folds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonResults:
    """All tables of a comparison."""

    about: Mapping[str, Any]
    """What was compared: numbers of sounds, kits and folds, checksums, recipe."""
    tables: tuple[LabelSetResults, ...]
    answers: Mapping[str, NDArray[np.float64]]
    """For each system, the probabilities of classes [sounds, classes] of all sounds, each as a test sound."""
    notes: tuple[str, ...]
    """What a reader must know: systems and classes that are left out."""


def answers_path(out: Path, system: str, fold: int) -> Path:
    """Return the file of the answers of a system in a fold, counted from 0."""
    return out / ANSWERS / system / f"fold-{fold + 1}.csv"


def write_answers(path: Path, compared: ComparedSounds, test: Sequence[int], rows: NDArray[np.float64]) -> None:
    """Write the probabilities [n, classes] for the test sounds of a fold. Raises UsageError for no writable folder."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["key", "truth", *CLASSES])
    for index, row in zip(test, rows, strict=True):
        sound = compared.sounds[index]
        writer.writerow([sound.key, sound.kind, *(f"{value:.{DIGITS}f}" for value in row)])
    with report_unwritable(path):
        publish_bytes(stream.getvalue().encode(), path, path.parent)


def read_fold_answers(path: Path, compared: ComparedSounds, test: Sequence[int]) -> NDArray[np.float64] | None:
    """Return the probabilities [n, classes] for the test sounds of a fold; None without a complete file."""
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        keys = [row[0] for row in rows[1:]]
        values = np.array([[float(value) for value in row[2:]] for row in rows[1:]], np.float64)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError, csv.Error) as error:
        logger.warning("%s is damaged and made again: %r", path, error)
        return None
    expected = [compared.sounds[index].key for index in test]
    if not rows or rows[0][2:] != list(CLASSES) or keys != expected or values.shape != (len(test), len(CLASSES)):
        logger.warning("%s has other sounds or classes and is made again", path)
        return None
    return values if np.isfinite(values).all() else None


def refuse_foreign_folder(out: Path) -> None:
    """Raise UsageError if a folder has files of the names that a comparison writes, and none was made there."""
    existing = [name for name in WRITTEN if (out / name).exists()]
    if existing and not (out / COMPARISON).exists():
        found = f"has {', '.join(existing)}, but no {COMPARISON}: no comparison made them"
        raise UsageError(out, found, "choose another --out")


def claim_comparison(about: Mapping[str, Any], recipe: ClassifierRecipe, out: Path) -> None:
    """Write what is compared to a new folder, or compare it with what the folder holds.

    Raises BuildError that names the differences, UsageError for a folder that cannot be written or is damaged.
    """
    path = out / COMPARISON
    with report_unwritable(path):
        out.mkdir(parents=True, exist_ok=True)
        publish_new(encode_fingerprint(about), path, out / _TEMPORARY)
        if (out / _TEMPORARY).is_dir():
            (out / _TEMPORARY).rmdir()
        content = path.read_bytes()
    try:
        existing = json.loads(content)
    except (ValueError, RecursionError):
        existing = None
    if not isinstance(existing, dict):
        raise UsageError(path, "does not say what was compared here", "choose another --out")
    # A key that the recipe got later has its default value in the older one.
    existing["recipe"] = renew_recipe(existing.get("recipe"), recipe)
    hint = "choose another --out, or give what the earlier comparison was given"
    refuse_differences(existing, about, out, "another comparison", hint)
