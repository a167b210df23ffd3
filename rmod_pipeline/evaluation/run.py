"""Run an evaluation: systems x test sets x kinds -> answers -> measures -> results.

works = open_set_works(recipe, Path("OUT"))
results = evaluate_recipe(recipe, works, workers=2)
results.cell("RMOD", "DOSE", "kick").figures["spectral_distance"].mean
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rmod_pipeline.errors import RecipeError, UsageError, nearest
from rmod_pipeline.evaluation.chunk import (
    OpenedSet,
    SetWork,
    forget_opened,
    keep_opened,
    open_embeddings,
    work_on_chunk,
)
from rmod_pipeline.evaluation.embeddings import Embedding
from rmod_pipeline.evaluation.figures.results import (
    EvaluationResults,
    OnEvaluationStep,
    no_step,
    summarise_evaluation,
)
from rmod_pipeline.evaluation.identity import list_origins
from rmod_pipeline.evaluation.recipe import EvaluationRecipe, PairsChoice, SongsChoice
from rmod_pipeline.evaluation.sets.pairs import EvaluationSet, open_pair_set, split_into_chunks
from rmod_pipeline.evaluation.sets.songs import open_song_set
from rmod_pipeline.evaluation.systems.open import open_systems
from rmod_pipeline.extraction.listening.ear import open_ear
from rmod_pipeline.features import LogMel
from rmod_pipeline.storage.child_processes import hide_main_module, report_failed_start, start_process_pool


def open_set_works(recipe: EvaluationRecipe, out: Path, device: str = "auto") -> list[SetWork]:
    """Open all sets and their systems, so that a file that is missing is reported before any work.

    Raises the errors of the sets and systems.
    """
    embeddings = open_embeddings(recipe.embeddings)
    return [open_set_work(recipe, choice, out, device, embeddings) for choice in recipe.sets]


def evaluate_recipe(
    recipe: EvaluationRecipe,
    works: Sequence[SetWork],
    *,
    workers: int = 1,
    on_step: OnEvaluationStep = no_step,
) -> EvaluationResults:
    """Answer, measure and summarise; what an earlier run with the same folder has done is not done again."""
    tasks = [
        (work, number, keys) for work in works for number, keys in enumerate(split_into_chunks(work.test_set.keys))
    ]
    total, done = sum(len(keys) for *_, keys in tasks), 0
    for count in _run_tasks(tasks, workers):
        done += count
        on_step("mixtures", done, total)
    return summarise_evaluation(recipe, works, on_step)


def open_set_work(
    recipe: EvaluationRecipe,
    choice: PairsChoice | SongsChoice,
    out: Path,
    device: str,
    embeddings: Mapping[str, Embedding],
) -> SetWork:
    """Open a set and its systems, so that everything is checked, and return what workers need.

    The process remembers what it opened, for the case that it works on this set itself. Raises the errors of the set
    and the systems, and RecipeError if there is no system for the set.
    """
    test_set: EvaluationSet
    if isinstance(choice, PairsChoice):
        test_set = open_pair_set(choice, recipe.pairs)
        _check_kinds(recipe, test_set)
    else:
        test_set = open_song_set(choice, open_ear(), recipe.pairs)
    systems = open_systems(recipe, test_set, device)
    if not systems:
        hint = "add one that hears: ear, dose, answers, or slice with `onsets: found`"
        raise RecipeError(f"the set {test_set.choice.name}", "no system can be evaluated on songs without truth", hint)
    origins = list_origins(recipe, test_set, list(systems), [each.identity for each in embeddings.values()])
    digests = {name: [origin.answers, origin.measures] for name, origin in origins.items()}
    digest = hashlib.sha256(json.dumps([str(out), test_set.choice.name, device, digests]).encode()).hexdigest()
    work = SetWork(digest, recipe, test_set, origins, out, device)
    keep_opened(work, OpenedSet(systems, embeddings, LogMel()))
    return work


def _check_kinds(recipe: EvaluationRecipe, test_set: EvaluationSet) -> None:
    """Raise RecipeError for a kind of which a set of pairs has no one-shots."""
    (item,) = test_set.read(test_set.keys[:1])
    missing = [kind for kind in recipe.kinds if item.truths and kind not in item.truths]
    if missing:
        known = ", ".join(item.truths)
        found = f"no one-shots of {', '.join(missing)}{nearest(missing[0], item.truths)}; it has {known}"
        raise RecipeError(f"the set {test_set.choice.name}", found, f"write `kinds: [{known}]`")


def _run_tasks(tasks: list[tuple[SetWork, int, tuple[str, ...]]], workers: int) -> Iterator[int]:
    """Yield the number of mixtures of each finished chunk, in this process or in several."""
    if workers <= 1 or len(tasks) < 2:
        for task in tasks:
            yield work_on_chunk(*task)
        return
    forget_opened()
    pool = start_process_pool(min(workers, len(tasks)))
    try:
        with report_failed_start(pool), hide_main_module():
            futures = [pool.submit(work_on_chunk, *task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        hint = "give fewer --workers, or check the memory; the same command resumes what was done"
        raise UsageError("--workers", "a worker process ended, which happens if memory runs out", hint) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
