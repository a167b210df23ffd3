"""Compare classifiers of one-shots by cross-validation over kits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import LibraryLike, check_workers, speaks_python
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.errors import ModelError, UsageError
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.evaluation.classifiers.results import ComparisonResults
    from rmod_pipeline.evaluation.embeddings.yamnet import YamnetEmbedding


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierComparisonResult:
    """A comparison of classifiers, with its files."""

    results: ComparisonResults
    """All tables, and the answers of each system."""
    files: tuple[Path, ...]
    """table.md, table.json and report.html."""
    unreadable: tuple[str, ...]
    """For each sound that is left out, its file and the reason."""


@speaks_python
def compare_classifiers(
    libraries: Sequence[LibraryLike],
    *,
    out: str | Path,
    folds: int = 5,
    systems: Sequence[str] | None = None,
    yamnet: str | Path | None = None,
    recipe: str | Path = "sounds",
    steps: int | None = None,
    workers: int = 0,
    progress: bool = True,
) -> ClassifierComparisonResult:
    """Compare systems that tell the class of a one-shot, each on kits that it has not learned from.

    libraries: names, manifests or folders with labelled sounds. out: the folder for answers, tables and page; a
    comparison that was stopped goes on there. folds: divisions of the kits. systems: names, by default all for which
    there are weights. yamnet: the published yamnet.tflite. recipe: of the network that is trained in each fold. steps:
    in place of the recipe's. workers: processes that read and vary sounds, 0 for one per core. Raises UsageError,
    LibraryError, RecipeError, ModelError, and BuildError for a folder with another comparison.
    """
    from rmod_pipeline.classification.recipe import load_classifier_recipe, with_steps
    from rmod_pipeline.codec.torch_support import require_packages, require_torch
    from rmod_pipeline.progress import steps_progress
    from rmod_pipeline.storage.process_identity import available_cores

    check_workers(workers)
    if not isinstance(folds, int) or isinstance(folds, bool):
        raise UsageError("--folds", f"{folds!r} is no number of folds", "give a whole number, such as 5")
    loaded, folder = with_steps(load_classifier_recipe(str(recipe)), steps), parse_local_path(out, "--out")
    require_torch(ModelError, "classify")
    with require_packages("the comparison", "classify"):
        from rmod_pipeline.evaluation.classifiers.compare import ClassifierComparison, compare_systems
        from rmod_pipeline.pages.classifiers import write_comparison
    if not libraries or isinstance(libraries, str):
        raise UsageError("LIB", "no list of libraries is given", "give manifests, folders of sounds, or builtin")
    embedding = _open_yamnet(yamnet)
    with steps_progress(progress) as on_step:
        comparison = ClassifierComparison(
            libraries=[open_library(library, progress=progress) for library in libraries],
            recipe=loaded,
            out=folder,
            folds=folds,
            systems=systems,
            yamnet=embedding,
            workers=workers or available_cores(),
            progress=on_step,
        )
        results, compared = compare_systems(comparison)
    files = write_comparison(results, compared, folder)
    return ClassifierComparisonResult(results=results, files=tuple(files), unreadable=compared.unreadable)


def _open_yamnet(path: str | Path | None) -> YamnetEmbedding | None:
    """Return YAMNet, if its weights are given. Raises ModelError for any other file."""
    from rmod_pipeline.evaluation.embeddings.yamnet import open_yamnet

    return None if path is None else open_yamnet(parse_local_path(path, "--yamnet"))
