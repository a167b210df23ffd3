"""Compare all drawn values of a data set with the recipe: those in the index, and those in the specs of the sample."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rmod_pipeline.inspection.report.draws import SoundIds, is_presence_drawn, list_draws, loop_period, yes
from rmod_pipeline.inspection.report.index_scan import IndexCounts
from rmod_pipeline.inspection.report.laws import (
    FEWEST,
    TOO_FEW,
    Fit,
    Law,
    correct_for_many,
    equal_chances,
    find_chances,
    find_excess,
    measure_fit,
)
from rmod_pipeline.inspection.report.records import INDEX_ROWS, KEPT_KEYS, SAMPLE, DrawTest
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.schema import GROOVE
from rmod_pipeline.spec import PairSpec


@dataclass(slots=True)
class SampledDraw:
    """All values of one draw in the sample: numbers of a range, or numbers of outcomes."""

    law: Law | None
    is_range: bool
    values: array[Any] = field(init=False)
    pairs: array[int] = field(default_factory=lambda: array("L"))
    """The position in the sample of the pair of each value."""
    outcomes: dict[Any, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the empty array: eight bytes per value."""
        self.values = array("d" if self.is_range else "L")

    def add(self, value: Any, pair: int) -> None:
        """Add a value of a pair."""
        self.values.append(value if self.is_range else self.outcomes.setdefault(value, len(self.outcomes)))
        self.pairs.append(pair)

    def list_values(self) -> Sequence[Any]:
        """Return the values as they were added."""
        if self.is_range:
            return self.values
        known = list(self.outcomes)
        return [known[number] for number in self.values]


class DrawCollector:
    """Collect the drawn values of the pairs of the sample."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self.keys: list[str] = []
        self.draws: dict[str, SampledDraw] = {}

    def add(self, spec: PairSpec) -> None:
        """Add the values of a spec."""
        pair = len(self.keys)
        self.keys.append(spec.key)
        for name, law, value in list_draws(self._recipe, spec):
            full_name = name if law is not None else _sound_name(spec.address.split, name)
            draw = self.draws.get(full_name)
            if draw is None:
                draw = self.draws[full_name] = SampledDraw(law, law is not None and find_chances(law) is None)
            draw.add(value, pair)

    def find_keys(self, test: DrawTest, law: Law | None) -> tuple[str, ...]:
        """Return the keys of some pairs with a value that is too frequent; none if the sample has no such draw."""
        draw = self.draws.get(test.name)
        if draw is None or (law or draw.law) is None:
            return ()
        positions = find_excess(law or draw.law, draw.list_values())  # type: ignore[arg-type]  # checked above
        return tuple(dict.fromkeys(self.keys[draw.pairs[at]] for at in positions))[:KEPT_KEYS]


def measure_draws(
    recipe: Recipe, counts: IndexCounts, collector: DrawCollector, sounds: Mapping[str, SoundIds] | None = None
) -> tuple[tuple[DrawTest, ...], dict[str, Law]]:
    """Return the tests of all drawn values, the least likely first, and the distributions of those in the index.

    sounds: the ids of the library's sounds by split and kind, if the library is known.
    """
    laws = _index_laws(recipe, counts, sounds)
    fits: list[tuple[str, str, int, Fit]] = []
    for name, (law, values) in laws.items():
        fits.append((name, INDEX_ROWS, values.total(), _fit_counts(name, law, values)))
    # Accepted pairs alone are in the sample, see `laws`.
    tolerance = counts.rejects.total() / max(counts.rows, 1)
    for name, draw in collector.draws.items():
        if name not in laws and draw.law is not None:
            fit = measure_fit(draw.law, draw.list_values(), tolerance)
            fits.append((name, SAMPLE, len(draw.values), fit))
    return _correct(fits), {name: law for name, (law, _) in laws.items()}


def _index_laws(
    recipe: Recipe, counts: IndexCounts, sounds: Mapping[str, SoundIds] | None
) -> dict[str, tuple[Law, Any]]:
    """Return the distributions of the draws that the index holds, with the counts of their values."""
    laws: dict[str, Law] = {}
    for kind, loop in recipe.loops.items():
        laws[f"{kind} present"] = yes(loop.presence)
        laws[f"{kind} semitones"] = loop.semitones
        laws[f"{kind} seconds"] = loop_period(recipe, kind, 0)[0]
    for kind, drum in recipe.drums.items():
        if is_presence_drawn(recipe, kind):
            laws[f"{kind} present"] = yes(drum.presence)
        if recipe.grooves is None:
            laws[f"{kind} hits"] = drum.hits
        laws[f"{kind} layered"] = yes(1 - recipe.one_shots.layering.none)
    found = {name: (law, counts.draws[name]) for name, law in laws.items() if counts.draws.get(name)}
    for (split, kind), ids in sorted(counts.first_sounds.items()):
        if kind == GROOVE:  # a performance without a window for the recipe is drawn and not used
            continue
        name = f"{kind} asset" if kind in recipe.loops else f"{kind} loudest layer"
        known = sounds[split][kind] if sounds else tuple(sorted(ids))
        found[_sound_name(split, name)] = (equal_chances(known), ids)
    return found


def _fit_counts(name: str, law: Law, values: Any) -> Fit:
    fit = measure_fit(law, values)
    chances = find_chances(law)
    is_sound = name.endswith((" asset", " loudest layer"))
    # Sounds that were never drawn are not known without the library, so few draws per sound prove nothing.
    if is_sound and chances and fit.p_value > 0 and values.total() < FEWEST * len(chances):
        return replace(fit, test=TOO_FEW, p_value=1.0)
    return fit


def _sound_name(split: str, name: str) -> str:
    """Return the name of the draw of a sound, which each split draws from sounds of its own."""
    return f"{split} {name}"


def _correct(fits: Sequence[tuple[str, str, int, Fit]]) -> tuple[DrawTest, ...]:
    tested = [number for number, (*_, fit) in enumerate(fits) if fit.test != TOO_FEW]
    adjusted = dict(zip(tested, correct_for_many([fits[number][3].p_value for number in tested]), strict=True))
    tests = [
        DrawTest(
            name=name,
            source=source,
            test=fit.test,
            values=values,
            p_value=fit.p_value,
            adjusted_p_value=adjusted.get(number, 1.0),
            deviation=fit.deviation,
            outcomes=fit.outcomes,
        )
        for number, (name, source, values, fit) in enumerate(fits)
    ]
    return tuple(sorted(tests, key=lambda test: (test.p_value, test.name)))
