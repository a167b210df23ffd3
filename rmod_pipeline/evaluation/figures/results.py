"""Summarise what was measured: figures with intervals, distances of distributions, paired tests, copies.

results = summarise_evaluation(recipe, works)
results.cell("RMOD", "DOSE", "kick").figures["spectral_distance"].over_kits
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.evaluation.chunk import ANSWERED, EMBEDDING, EXPLAINED, SetWork
from rmod_pipeline.evaluation.figures.condition_use import ConditionUse, measure_model
from rmod_pipeline.evaluation.figures.copies import CopyAudit, audit_copies
from rmod_pipeline.evaluation.figures.distribution_distances import (
    DISTANCES,
    DistributionDistance,
    TooFewItemsError,
    fit_projection,
    half_against_half,
)
from rmod_pipeline.evaluation.figures.statistics import (
    Interval,
    PairedComparison,
    bootstrap_distance,
    bootstrap_interval,
    compare_paired,
)
from rmod_pipeline.evaluation.metrics import METRICS
from rmod_pipeline.evaluation.recipe import ALL_KINDS, TRUTH, DoseModel, EvaluationRecipe, Guess, name_of
from rmod_pipeline.evaluation.sets.pairs import PairSet, split_into_chunks
from rmod_pipeline.evaluation.store import chunk_path, read_rows

DISTANCE, MSS = "spectral_distance", "mss"
"""The metric that systems are compared by, and the one of the paper."""
PROJECTED = 64
"""Main components of the truth to which an embedding is projected for FAD, where it has as many dimensions as items."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricFigure:
    """The mean of a metric, with an interval over pairs and, where kits are known, one over kits."""

    over_pairs: Interval
    over_kits: Interval | None

    @property
    def mean(self) -> float:
        """The mean over pairs."""
        return self.over_pairs.mean

    @property
    def interval(self) -> Interval:
        """The wider claim: over kits where they are known."""
        return self.over_kits or self.over_pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionFigure:
    """A distance of all answers from all truths, such as FAD-ear."""

    interval: Interval | None
    half: float | None
    """The same distance of one half of the truths from the other: what a perfect system would get with so few."""
    why: str = ""
    """Why there is no figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One system on one kind of one set."""

    test_set: str
    system: str
    kind: str
    keys: tuple[str, ...]
    """The pairs with an answer."""
    kits: tuple[str, ...]
    """The kit of each; empty texts where it is unknown."""
    missing: Mapping[str, int]
    """How many pairs have no answer, by reason."""
    sha256: tuple[str, ...]
    """Checksum of each answer."""
    values: Mapping[str, NDArray[np.float64]]
    """By metric: [keys]."""
    figures: Mapping[str, MetricFigure]
    """By metric."""
    distributions: Mapping[str, DistributionFigure]
    """By name, such as FAD-ear."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single values, which are in the table of items."""
        return {
            "set": self.test_set,
            "system": self.system,
            "kind": self.kind,
            "answers": len(self.keys),
            "missing": dict(self.missing),
            "kits": len(set(self.kits)),
            "figures": {name: asdict(figure) for name, figure in self.figures.items()},
            "distributions": {name: asdict(figure) for name, figure in self.distributions.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemComparison:
    """One system against another on the same pairs of a set: distances of the first minus those of the other."""

    test_set: str
    kind: str
    system: str
    other: str
    metric: str
    pairs: int
    comparison: PairedComparison


@dataclass(frozen=True, kw_only=True)
class EvaluationResults:
    """All results of an evaluation."""

    recipe: EvaluationRecipe
    sets: Mapping[str, Mapping[str, Any]]
    """By set: what identifies it."""
    origins: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """By set and system: its options, checksums of what it reads, and the digest of all that decides its answers."""
    cells: tuple[Cell, ...]
    truths: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]]
    """By set and kind: what is known of each pair: key, kit, hits, audible_db, instruments, sha256."""
    comparisons: tuple[SystemComparison, ...]
    audits: tuple[CopyAudit, ...]
    condition_use: Mapping[tuple[str, str], tuple[ConditionUse, ...]]
    """By set and model: its losses with the pair's own mixture and with another pair's. Only where the set has tokens
    of the model's codec."""

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], Cell]:
        return {(cell.test_set, cell.system, cell.kind): cell for cell in self.cells}

    def cell(self, test_set: str, system: str, kind: str) -> Cell:
        """Return one cell. Raises KeyError for a system that the set does not allow."""
        return self._by_name[test_set, system, kind]

    def has(self, test_set: str, system: str, kind: str) -> bool:
        """Return whether there is a cell with at least one answer."""
        return (test_set, system, kind) in self._by_name and bool(self.cell(test_set, system, kind).keys)

    def systems(self, test_set: str) -> list[str]:
        """Return the systems of a set, in order."""
        return list(dict.fromkeys(cell.system for cell in self.cells if cell.test_set == test_set))

    def items(self) -> Iterator[dict[str, Any]]:
        """Yield a row per answer: set, system, kind, key, kit, checksum, and every metric."""
        for cell in self.cells:
            columns = zip(cell.keys, cell.kits, cell.sha256, strict=True)
            for number, (key, kit, digest) in enumerate(columns):
                names = {"set": cell.test_set, "system": cell.system, "kind": cell.kind, "key": key, "kit": kit}
                values = {metric: float(column[number]) for metric, column in cell.values.items()}
                metrics = {metric: value for metric, value in values.items() if math.isfinite(value)}
                yield {**names, "sha256": digest, **metrics}

    def to_dict(self) -> dict[str, Any]:
        """Return the results as JSON, without the single values."""
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "sets": {name: dict(content) for name, content in self.sets.items()},
            "origins": {name: dict(content) for name, content in self.origins.items()},
            "cells": [cell.to_dict() for cell in self.cells],
            "comparisons": [asdict(each) for each in self.comparisons],
            "copies": [asdict(each) for each in self.audits],
            "losses": [
                {"set": test_set, "system": system, **asdict(each)}
                for (test_set, system), several in self.condition_use.items()
                for each in several
            ],
        }


OnEvaluationStep = Callable[[str, int, int], None]
"""Called with the name of a step, the number of finished items, and the number of all items."""


def no_step(_step: str, _done: int, _total: int) -> None:
    """Report nothing."""


def summarise_evaluation(
    recipe: EvaluationRecipe, works: Sequence[SetWork], on_step: OnEvaluationStep = no_step
) -> EvaluationResults:
    """Return the results of all sets from the files of their chunks."""
    kinds = (*recipe.kinds, ALL_KINDS)
    cells: list[Cell] = []
    audits: list[CopyAudit] = []
    truths: dict[tuple[str, str], Sequence[Mapping[str, Any]]] = {}
    done = 0
    for work in works:
        name = work.test_set.choice.name
        truth_rows = _read_system(work, TRUTH)
        systems = [each for each in work.origins if each != TRUTH]
        rows = {system: _read_system(work, system) for system in systems}
        for kind in kinds:
            known = [row for row in truth_rows if row["kind"] == kind]
            truths[name, kind] = [{column: row.get(column) for column in _KNOWN} for row in known]
            own = {system: [row for row in rows[system] if row["kind"] == kind] for system in systems}
            cells += [_summarise_cell((name, system, kind), own[system], known, recipe.seed) for system in systems]
            audits += audit_copies(work, kind, known, own)
            done += 1
            on_step("tables", done, len(works) * len(kinds))
    cells = [cell for cell in cells if cell.keys or cell.missing]
    return EvaluationResults(
        recipe=recipe,
        sets={work.test_set.choice.name: work.test_set.describe() for work in works},
        origins={
            work.test_set.choice.name: {
                name: {**origin.system, "answers_sha256": origin.answers} for name, origin in work.origins.items()
            }
            for work in works
        },
        cells=tuple(cells),
        truths=truths,
        comparisons=tuple(_compare_systems(recipe, cells)),
        audits=tuple(audits),
        condition_use=dict(_measure_models(recipe, works, on_step)),
    )


def _measure_models(
    recipe: EvaluationRecipe, works: Sequence[SetWork], on_step: OnEvaluationStep
) -> Iterator[tuple[tuple[str, str], tuple[ConditionUse, ...]]]:
    """Yield the losses of every model on every set of pairs, once however many ranks its answers have."""
    models = {choice.checkpoint: name_of(choice) for choice in recipe.systems[::-1] if isinstance(choice, DoseModel)}
    sets = [work.test_set for work in works if isinstance(work.test_set, PairSet)]
    tasks = [(test_set, checkpoint, name) for test_set in sets for checkpoint, name in reversed(models.items())]
    for number, (test_set, checkpoint, name) in enumerate(tasks, start=1):
        losses = measure_model(test_set.out, test_set.choice.split, Path(checkpoint), most=len(test_set.keys))
        yield (test_set.choice.name, name), tuple(losses)
        on_step("losses of models", number, len(tasks))


_KNOWN = ("key", "kit", "hits", "audible_db", "instruments", "sha256")


def choose_baseline(recipe: EvaluationRecipe) -> str | None:
    """Return the system that all others are compared with: that of the recipe, the first model, or the typical one."""
    if recipe.compare_with is not None:
        return recipe.compare_with
    models = [name_of(choice) for choice in recipe.systems if isinstance(choice, DoseModel)]
    typical = [name_of(choice) for choice in recipe.systems if isinstance(choice, Guess) and choice.system == "typical"]
    return next(iter([*models, *typical]), None)


def _read_system(work: SetWork, system: str) -> list[dict[str, Any]]:
    chunks = split_into_chunks(work.test_set.keys)
    paths = [chunk_path(work.out, work.test_set.choice.name, system, number) for number in range(len(chunks))]
    return [{name: value for name, value in row.items() if name != "flac"} for path in paths for row in read_rows(path)]


def _summarise_cell(
    names: tuple[str, str, str], rows: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]], seed: int
) -> Cell:
    test_set, system, kind = names
    kit_of = {row["key"]: row.get("kit") or "" for row in truths}
    answered = [row for row in rows if row["status"] == ANSWERED]
    kits = tuple(kit_of.get(row["key"], "") for row in answered)
    # Songs have no truth: nothing is measured there but how well the answers for all kinds explain them.
    names_in_rows = dict.fromkeys(name for row in answered for name, value in row.items() if value is not None)
    columns = [name for name in names_in_rows if name in METRICS or name.startswith(EXPLAINED)]
    values = {name: np.array([_number(row.get(name)) for row in answered]) for name in columns}
    return Cell(
        test_set=test_set,
        system=system,
        kind=kind,
        keys=tuple(row["key"] for row in answered),
        kits=kits,
        missing=dict(Counter(row["status"] for row in rows if row["status"] != ANSWERED)),
        sha256=tuple(row["sha256"] or "" for row in answered),
        values=values,
        figures={name: make_figure(column, kits, seed) for name, column in values.items()},
        distributions=dict(_measure_distributions(answered, truths, kits, seed)),
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def make_figure(values: NDArray[np.float64], kits: Sequence[str], seed: int) -> MetricFigure:
    """Return the mean of values [n], with intervals over pairs and, if all kits are known, over kits.

    NaN stands for a value that is not known, and is left out.
    """
    known = np.isfinite(values)
    kits = [kit for kit, is_known in zip(kits, known, strict=True) if is_known]
    values = values[known]
    knows_kits = all(kits) and len(set(kits)) < len(kits)
    return MetricFigure(
        over_pairs=bootstrap_interval(values, seed=seed),
        over_kits=bootstrap_interval(values, kits, seed=seed) if knows_kits else None,
    )


def _measure_distributions(
    answered: Sequence[Mapping[str, Any]], truths: Sequence[Mapping[str, Any]], kits: Sequence[str], seed: int
) -> Iterator[tuple[str, DistributionFigure]]:
    """Yield FAD and KAD in every embedding, of the pairs that have an answer."""
    by_key = {row["key"]: row for row in truths if row["status"] == ANSWERED}
    if not answered or answered[0]["key"] not in by_key:
        return
    groups = kits if all(kits) and len(set(kits)) < len(kits) else None
    for column in (name for name in answered[0] if name.startswith(EMBEDDING)):
        estimate = np.array([row[column] for row in answered], np.float64)
        reference = np.array([by_key[row["key"]][column] for row in answered], np.float64)
        keys = [row["key"] for row in answered]
        for distance in DISTANCES.values():
            embedding = column.removeprefix(EMBEDDING)
            one, other, name = _project(distance, estimate, reference, embedding, len(by_key))
            sides = _Sides(estimate=one, reference=other, groups=groups, keys=keys)
            yield name, _measure_distribution(distance, sides, seed)


def _project(
    distance: DistributionDistance,
    estimate: NDArray[np.float64],
    reference: NDArray[np.float64],
    embedding: str,
    pairs: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Return embeddings for a distance, and its name; for FAD in main components where dimensions are too many."""
    name = distance.label(embedding)
    dimensions = reference.shape[1]
    # By the size of the set, so that systems with fewer answers have the same figure.
    if distance.name != "FAD" or pairs > dimensions or dimensions <= PROJECTED or len(reference) <= PROJECTED:
        return estimate, reference, name
    projection = fit_projection(reference, PROJECTED)
    return projection.apply(estimate), projection.apply(reference), f"{name}-{PROJECTED}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """Embeddings of answers and truths; row i of both is one pair."""

    estimate: NDArray[np.float64]
    reference: NDArray[np.float64]
    groups: Sequence[str] | None
    keys: Sequence[str]


def _measure_distribution(distance: DistributionDistance, sides: _Sides, seed: int) -> DistributionFigure:
    try:
        interval = bootstrap_distance(distance, sides.estimate, sides.reference, sides.groups, seed=seed)
    except TooFewItemsError as error:
        return DistributionFigure(interval=None, half=None, why=error.found)
    try:
        half = half_against_half(sides.reference, seed, keys=sides.keys, distance=distance)
    except TooFewItemsError:
        half = None
    return DistributionFigure(interval=interval, half=half)


def _compare_systems(recipe: EvaluationRecipe, cells: Sequence[Cell]) -> Iterator[SystemComparison]:
    """Yield the comparisons of all systems with the baseline, then of every two, on every set and kind."""
    baseline = choose_baseline(recipe)
    for place, cell in enumerate(cells):
        for other_place, other in enumerate(cells):
            same = (other.test_set, other.kind) == (cell.test_set, cell.kind)
            is_baseline = other.system == baseline
            if not same or place == other_place or not (is_baseline or other_place < place):
                continue
            for metric in (DISTANCE, MSS, EXPLAINED) if is_baseline else (DISTANCE, EXPLAINED):
                if metric in cell.values and metric in other.values and cell.system != baseline:
                    yield from _compare(cell, other, metric, recipe.seed)


def _compare(cell: Cell, other: Cell, metric: str, seed: int) -> Iterator[SystemComparison]:
    """Yield the comparison on the pairs that both systems answered."""
    own, theirs = cell.values[metric], dict(zip(other.keys, other.values[metric], strict=True))
    places = [
        place
        for place, key in enumerate(cell.keys)
        if key in theirs and math.isfinite(own[place]) and math.isfinite(theirs[key])
    ]
    if not places:
        return
    kits = [cell.kits[place] for place in places]
    comparison = compare_paired(
        own[places],
        np.array([theirs[cell.keys[place]] for place in places]),
        kits if all(kits) and len(set(kits)) < len(kits) and len(set(kits)) > 1 else None,
        seed=seed,
    )
    yield SystemComparison(
        test_set=cell.test_set,
        kind=cell.kind,
        system=cell.system,
        other=other.system,
        metric=metric,
        pairs=len(places),
        comparison=comparison,
    )
