"""Statistical tests of drawn values against the distributions in a recipe: one p value per column."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import norm, rankdata

from rmod_pipeline.distributions import LogUniform, Uniform
from rmod_pipeline.inspection.report.draws import SoundIds, list_draws
from rmod_pipeline.inspection.report.laws import measure_fit
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.spec import PairSpec

SURE = 1e-3
"""Significance level over all columns together (Bonferroni)."""

Columns = Mapping[str, tuple[Any, list[Any]]]
"""All drawn values, by column name, with the distribution that they are drawn from."""


def disagreements(columns: Columns) -> dict[str, float]:
    """Return the p values of the columns whose values disagree with their distribution."""
    p_values = {column: measure_fit(law, values).p_value for column, (law, values) in columns.items()}
    return {column: p for column, p in p_values.items() if p < SURE / len(p_values)}


def columns(recipe: Recipe, specs: Sequence[PairSpec], assets: SoundIds) -> Columns:
    """Return all drawn values by column name, with the distribution in the recipe.

    ``assets`` holds the ids of each kind; all are equally likely.
    """
    columns_by_name: dict[str, tuple[Any, list[Any]]] = {}
    for spec in specs:
        for column, law, value in list_draws(recipe, spec, assets):
            columns_by_name.setdefault(column, (law, []))[1].append(value)
    return columns_by_name


def dependences(columns: Columns, count: int) -> dict[tuple[str, str], float]:
    """Return the rank correlation of all pairs of columns that are significantly correlated.

    Uses the continuous columns with a value for each of the ``count`` pairs. It also correlates each column with all
    columns of the next pair.
    """
    numbers = {
        name: np.asarray(values, dtype=np.float64)
        for name, (law, values) in columns.items()
        if len(values) == count and isinstance(law, (Uniform, LogUniform))
    }
    names = list(numbers)
    ranks = np.stack([rankdata(values) for values in numbers.values()])
    ranks = (ranks - ranks.mean(axis=1, keepdims=True)) / ranks.std(axis=1, keepdims=True)
    now = ranks @ ranks.T / count
    later = ranks[:, :-1] @ ranks[:, 1:].T / (count - 1)
    tests = len(names) * (len(names) - 1) // 2 + len(names) ** 2
    limit = float(norm.isf(SURE / tests / 2)) / math.sqrt(count)
    same_pair = [(i, j, now[i, j]) for i in range(len(names)) for j in range(i)]
    next_pair = [(i, j, later[i, j]) for i in range(len(names)) for j in range(len(names))]
    result: dict[tuple[str, str], float] = defaultdict(float)
    for i, j, correlation in (*same_pair, *next_pair):
        if abs(correlation) > limit:
            result[names[i], names[j]] = float(correlation)
    return dict(result)
