"""Statistical tests of drawn values against the distributions in a recipe: one p value per column."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from statistics import NormalDist
from typing import Any

import numpy as np
from scipy.stats import binom, chisquare, kstest, norm, rankdata

from rmod_pipeline.distributions import Choice, Constant, Integers, LogUniform, Normal, Uniform
from rmod_pipeline.effects import EffectRanges
from rmod_pipeline.effects.equalizer import EqualizerRanges
from rmod_pipeline.effects.level_gain import LevelGainRanges
from rmod_pipeline.recipe import Chain, Recipe, SendRanges
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Send, Track

SURE = 1e-3
"""Significance level over all columns together (Bonferroni)."""

FEWEST = 8
"""Smallest expected count in a bin of a chi-square test; rarer bins are merged."""

Law = tuple[Any, list[Any]]
"""A distribution, and the values drawn from it."""

Columns = Mapping[str, Law]
"""All drawn values, by column name."""

Ids = Mapping[str, tuple[str, ...]]
"""The ids of the assets of each kind."""


def disagreements(columns: Columns) -> dict[str, float]:
    """Return the p values of the columns whose values disagree with their distribution."""
    p_values = {column: p_value(law, values) for column, (law, values) in columns.items()}
    return {column: p for column, p in p_values.items() if p < SURE / len(p_values)}


def p_value(law: Any, values: Sequence[Any]) -> float:
    """Return the p value of values under a distribution; 0 if it cannot give them."""
    if isinstance(law, Constant):
        return float(all(value == law.constant for value in values))
    if isinstance(law, Uniform):
        low, high = law.uniform
        within = low <= min(values) and max(values) <= high
        return float(kstest(values, "uniform", (low, high - low)).pvalue) if within and low < high else float(within)
    if isinstance(law, LogUniform):
        low, high = law.log_uniform
        within = low <= min(values) and max(values) <= high
        return float(kstest(values, "loguniform", (low, high)).pvalue) if within else 0.0
    return fair(Counter(values), chances(law))


def chances(law: Any) -> dict[Any, float]:
    """Return the probability of every value of a discrete distribution."""
    if isinstance(law, dict):
        return law
    if isinstance(law, Integers):
        low, high = law.integers
        return _equal(range(low, high + 1))
    if isinstance(law, Choice):
        weights = law.weights or [1.0] * len(law.choice)
        return {value: weight / sum(weights) for value, weight in zip(law.choice, weights, strict=True)}
    assert isinstance(law, Normal)
    assert law.clip is not None
    low, high = (round(end) for end in law.clip)
    bell = NormalDist(*law.normal)
    below = [0.0, *(bell.cdf(value + 0.5) for value in range(low, high)), 1.0]
    return {value: below[value - low + 1] - below[value - low] for value in range(low, high + 1)}


def fair(counts: Counter[Any], chance: Mapping[Any, float]) -> float:
    """Return the p value of counts under the given probabilities; rare outcomes are merged into one bin."""
    if set(counts) - {value for value, p in chance.items() if p > 0}:
        return 0.0
    total = sum(counts.values())
    bins: list[tuple[float, int]] = []
    rare = (0.0, 0)
    for value, p in chance.items():
        if p * total >= FEWEST:
            bins.append((p * total, counts[value]))
        else:
            rare = (rare[0] + p * total, rare[1] + counts[value])
    if rare[0] >= FEWEST or (rare[0] > 0 and not bins):
        bins.append(rare)
    elif rare[0] > 0:
        # They are too few for a bin of their own, so they join the smallest bin.
        smallest = min(range(len(bins)), key=lambda index: bins[index][0])
        bins[smallest] = (bins[smallest][0] + rare[0], bins[smallest][1] + rare[1])
    if len(bins) == 1:
        return 1.0
    if len(bins) == 2:
        return _binomial(bins[0][1], total, bins[0][0] / total)
    return float(chisquare([count for _, count in bins], [expected for expected, _ in bins]).pvalue)


def _binomial(count: int, total: int, chance: float) -> float:
    return float(min(1.0, 2 * min(binom.cdf(count, total, chance), binom.sf(count - 1, total, chance))))


def columns(recipe: Recipe, specs: Sequence[PairSpec], assets: Ids) -> Columns:
    """Return all drawn values by column name, with the distribution in the recipe.

    ``assets`` holds the ids of each kind; all are equally likely.
    """
    columns_by_name: dict[str, Law] = {}
    for spec in specs:
        tracks = {track.kind: track for track in spec.tracks}
        rows = _loop_rows(recipe, tracks, assets), _drum_rows(recipe, tracks, assets)
        for column, law, value in (*rows[0], *rows[1], *_chain_rows("master", recipe.master, spec.master)):
            columns_by_name.setdefault(column, (law, []))[1].append(value)
    columns_by_name["loops together"] = (
        _together(recipe),
        [tuple(kind in {loop.kind for loop in spec.loops} for kind in recipe.loops) for spec in specs],
    )
    return columns_by_name


Row = tuple[str, Any, Any]


def _together(recipe: Recipe) -> dict[tuple[bool, ...], float]:
    """Return the probability of every set of loops, if each loop is present independently."""
    presences = [ranges.presence for ranges in recipe.loops.values()]
    return {
        present: math.prod(p if is_present else 1 - p for p, is_present in zip(presences, present, strict=True))
        for present in product((False, True), repeat=len(presences))
    }


@cache
def _yes(probability: float) -> dict[bool, float]:
    return {True: probability, False: 1 - probability}


@cache
def _equal(items: Sequence[Any]) -> dict[Any, float]:
    return dict.fromkeys(items, 1 / len(items))


def _loop_rows(recipe: Recipe, tracks: Mapping[str, Track], assets: Ids) -> Iterator[Row]:
    for kind, ranges in recipe.loops.items():
        loop = tracks.get(kind)
        yield f"{kind} present", _yes(ranges.presence), loop is not None
        if isinstance(loop, LoopTrack):
            yield f"{kind} asset", _equal(assets[kind]), loop.asset
            yield f"{kind} semitones", ranges.semitones, loop.semitones
            yield f"{kind} seconds", ranges.seconds, loop.period_frames / recipe.sample_rate
            yield from _track_rows(kind, ranges.inserts, ranges.sends, loop)


def _drum_rows(recipe: Recipe, tracks: Mapping[str, Track], assets: Ids) -> Iterator[Row]:
    for kind, ranges in recipe.drums.items():
        drum = tracks.get(kind)
        yield f"{kind} present", _yes(ranges.presence), drum is not None
        if isinstance(drum, DrumTrack):
            yield from _layer_rows(kind, recipe, drum, assets[kind])
            yield f"{kind} hits", ranges.hits, len(drum.notes)
            ticks, velocity = f"{kind} ticks", f"{kind} velocity"
            for note in drum.notes:
                yield ticks, _equal(range(recipe.grid)), note.tick
                yield velocity, ranges.velocity, note.velocity
            yield from _track_rows(kind, ranges.inserts, ranges.sends, drum)


def _layer_rows(kind: str, recipe: Recipe, drum: DrumTrack, assets: tuple[str, ...]) -> Iterator[Row]:
    layering = recipe.one_shots.layering
    chosen = [layer.asset for layer in drum.layers]
    yield f"{kind} layers differ", {True: 1.0}, len(set(chosen)) == len(chosen)
    yield f"{kind} layered", _yes(1 - layering.none), len(chosen) > 1
    yield f"{kind} loudest layer", _equal(assets), chosen[0]
    if len(chosen) > 1:
        yield f"{kind} weights", _equal(layering.weights), tuple(layer.weight for layer in drum.layers)
        yield f"{kind} second layer", _equal(assets), chosen[1]
        yield f"{kind} order of layers", _yes(0.5), chosen[0] < chosen[1]


def _track_rows(kind: str, inserts: Chain, sends: Sequence[SendRanges], track: Track) -> Iterator[Row]:
    yield from _chain_rows(f"{kind} inserts", inserts, track.inserts)
    drawn: dict[str, Send] = {send.name: send for send in track.sends}
    for ranges in sends:
        name = f"{kind} send {ranges.name}"
        yield f"{name} present", _yes(ranges.probability), ranges.name in drawn
        if ranges.name in drawn:
            yield f"{name} level_db", ranges.level_db, drawn[ranges.name].level_db
            yield from _chain_rows(name, ranges.effects, drawn[ranges.name].effects)


def _chain_rows(prefix: str, chain: Chain, effects: Sequence[Any]) -> Iterator[Row]:
    """Yield the values of a chain. Effects of the same name are distinguished by the words that they allow."""
    remaining = list(effects)
    for number, ranges in enumerate(chain):
        assert isinstance(ranges, EffectRanges)
        name = f"{prefix} {number} {ranges.effect}"  # type: ignore[attr-defined]
        effect = next((candidate for candidate in remaining if _made_by(ranges, candidate)), None)
        yield f"{name} present", _yes(ranges.probability), effect is not None
        if effect is not None:
            remaining.remove(effect)
            yield f"{name} match_rms", {ranges.match_rms: 1.0}, effect.match_rms
            yield from _effect_rows(name, ranges, effect)
    yield f"{prefix} has nothing else", {True: 1.0}, not remaining


def _made_by(ranges: Any, effect: Any) -> bool:
    """Return whether ranges can give an effect: same name, and only words that they allow (high-pass, low-pass)."""
    if effect.effect != ranges.effect:
        return False
    words = (name for name in ranges.random_fields if isinstance(getattr(ranges, name), Choice))
    return all(getattr(effect, name) in getattr(ranges, name).choice for name in words)


def _effect_rows(name: str, ranges: Any, effect: Any) -> Iterator[Row]:
    if isinstance(ranges, EqualizerRanges):
        for number, (band, drawn) in enumerate(zip(ranges.bands, effect.bands, strict=True)):
            for field in ("shape", "hz", "gain_db", "q"):
                yield f"{name} band {number} {field}", getattr(band, field), getattr(drawn, field)
    elif isinstance(ranges, LevelGainRanges):
        yield f"{name} ends", {ranges.gain_db: 1.0}, (effect.min_db, effect.max_db)
        yield f"{name} jitter_db", ranges.jitter_db, effect.jitter_db
    else:
        for field in ranges.random_fields:
            yield f"{name} {field}", getattr(ranges, field), getattr(effect, field)


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
