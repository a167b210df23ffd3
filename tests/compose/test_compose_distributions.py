"""Over thousands of specs, every drawn value has the distribution of the recipe; planted biases are detected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from rmod_pipeline.effects import EffectRanges
from rmod_pipeline.effects.equalizer import EqualizerRanges
from rmod_pipeline.recipe import Recipe, SendRanges
from rmod_pipeline.recipe.schema import TrackRanges
from rmod_pipeline.spec import DrumTrack, Layer, PairSpec
from tests.compose.agreement import Columns, columns, dependences, disagreements
from tests.compose.compose_examples import IDS, Composer

DRUMS = ("kick", "snare", "hihat")
LOOPS = ("bass", "piano", "guitar", "vocal")
FEWER = 1500
"""Number of pairs that is enough to detect the planted biases."""


def test_every_value_has_the_recipes_distribution(drawn: Columns) -> None:
    assert disagreements(drawn) == {}


def test_every_value_of_the_recipe_is_tested(rmod: Composer, drawn: Columns) -> None:
    assert {"kick weights", "hihat ticks", "vocal semitones", "bass seconds", "loops together"} <= set(drawn)
    assert {"snare send reverb 1 filter hz", "master 0 equalizer band 2 q", "piano inserts 3 pan law"} <= set(drawn)
    expected = sum(_count_drawn(part) for part in (rmod.recipe.drums, rmod.recipe.loops, rmod.recipe.master))
    always = ("present", "match_rms", "has nothing else", "ends")
    chains = (name for name in drawn if " inserts " in name or " send " in name or name.startswith("master"))
    assert len([name for name in chains if not name.endswith(always)]) == expected


def test_draws_are_independent(drawn: Columns, many: list[PairSpec]) -> None:
    assert dependences(drawn, len(many)) == {}


def test_dependent_draws_are_detected(drawn: Columns, many: list[PairSpec]) -> None:
    column, other_column = "kick inserts 2 compressor ratio", "snare inserts 0 level_gain jitter_db"
    (law, values), (other_law, other_values) = drawn[column], drawn[other_column]
    correlated = [other + value / 10 for other, value in zip(other_values, values, strict=True)]
    assert set(dependences({column: (law, values), other_column: (other_law, correlated)}, len(many))) == {
        (other_column, column)
    }
    delayed = [other + previous / 10 for other, previous in zip(other_values, [0.0, *values], strict=False)]
    assert set(dependences({column: (law, values), other_column: (other_law, delayed)}, len(many))) == {
        (column, other_column)
    }


def ascending_layers(spec: PairSpec) -> PairSpec:
    """Make the layer with the smallest id the loudest."""
    return _each_drum(spec, lambda drum: replace(drum, layers=_in_order_of_id(drum)))


def seldom_the_end(spec: PairSpec) -> PairSpec:
    """Mirror every second hit in the last sixteenth of the grid to the beginning of the grid."""

    def move(tick: int) -> int:
        return spec.settings.grid - 1 - tick if tick > spec.settings.grid * 15 / 16 and tick % 2 else tick

    return _each_drum(
        spec, lambda drum: replace(drum, notes=tuple(replace(note, tick=move(note.tick)) for note in drum.notes))
    )


def never_the_last_asset(spec: PairSpec) -> PairSpec:
    """Replace the last asset by the first, as a range that ends too early would."""
    loops = (
        replace(loop, asset=IDS[loop.kind][0]) if loop.asset == IDS[loop.kind][-1] else loop for loop in spec.loops
    )
    return replace(spec, loops=tuple(loops))


@pytest.mark.parametrize(
    ("bias", "kinds", "seen_in"),
    [
        (ascending_layers, DRUMS, ("loudest layer", "second layer", "order of layers")),
        (seldom_the_end, ("hihat",), ("ticks",)),
        (never_the_last_asset, LOOPS, ("asset",)),
    ],
)
def test_a_bias_of_draws_is_detected(
    bias: Callable[[PairSpec], PairSpec],
    kinds: tuple[str, ...],
    seen_in: tuple[str, ...],
    rmod: Composer,
    many: list[PairSpec],
) -> None:
    biased_columns = disagreements(columns(rmod.recipe, [bias(spec) for spec in many[:FEWER]], IDS))
    assert set(biased_columns) == {f"{kind} {column}" for kind in kinds for column in seen_in}


# Small changes of the recipe: each must be detected in its own column, and in no other.
BIASES: Mapping[str, tuple[tuple[str | int, ...], Any]] = {
    "kick hits": (("drums", "kick", "hits"), {"integers": [2, 3]}),
    "snare velocity": (("drums", "snare", "velocity"), {"normal": [100, 3.5], "clip": [1, 127]}),
    "hihat weights": (("one_shots", "layering", "weights"), [[0.8, 0.2], [0.7, 0.3]]),
    "piano present": (("loops", "piano", "presence"), 0.6),
    "vocal semitones": (("loops", "vocal", "semitones"), {"integers": [-12, 11]}),
    "guitar seconds": (("loops", "guitar", "seconds"), {"choice": [4.0, 2.0], "weights": [6, 4]}),
    "snare inserts 2 compressor ratio": (("drums", "snare", "inserts", 2, "ratio"), {"uniform": [3, 4.8]}),
    "hihat inserts 3 pan position": (("drums", "hihat", "inserts", 3, "position"), {"log_uniform": [0.2, 0.8]}),
    "kick inserts 3 pan law": (("drums", "kick", "inserts", 3, "law"), {"choice": ["linear", "constant_power"]}),
    "snare send reverb level_db": (("drums", "snare", "sends", 0, "level_db"), {"uniform": [-6.2, -3]}),
    "hihat send delay 1 filter present": (("drums", "hihat", "sends", 1, "effects", 1, "probability"), 0.42),
    "master 0 equalizer band 1 hz": (("master", 0, "bands", 1, "hz"), {"uniform": [200, 2600]}),
    "master 1 gain gain_db": (("master", 1, "gain_db"), {"normal": [15, 5.77], "clip": [5, 25]}),
}
SEEN_TOO = {"kick weights", "snare weights", "loops together"}


@pytest.fixture(scope="module")
def biased(rmod: Composer) -> list[PairSpec]:
    """Specs of a recipe with all biases at the same time."""
    content = rmod.recipe.model_dump(mode="json")
    for path, value in BIASES.values():
        part: Any = content
        for key in path[:-1]:
            part = part[key]
        assert path[-1] in part, path
        part[path[-1]] = value
    composer = Composer(Recipe.model_validate(content))
    return [composer.at(index) for index in range(2 * FEWER)]


def test_every_bias_of_a_recipe_is_detected_and_nothing_else(rmod: Composer, biased: list[PairSpec]) -> None:
    assert set(disagreements(columns(rmod.recipe, biased, IDS))) == set(BIASES) | SEEN_TOO


def _in_order_of_id(drum: DrumTrack) -> tuple[Layer, ...]:
    weights = [layer.weight for layer in drum.layers]
    ordered = sorted(drum.layers, key=lambda layer: layer.asset)
    return tuple(replace(layer, weight=weight) for layer, weight in zip(ordered, weights, strict=True))


def _each_drum(spec: PairSpec, change: Callable[[DrumTrack], DrumTrack]) -> PairSpec:
    return replace(spec, drums=tuple(change(drum) for drum in spec.drums))


def _count_drawn(part: Any) -> int:
    """Return the number of random values of the effects and sends in a part of a recipe."""
    if isinstance(part, EqualizerRanges):
        return 4 * len(part.bands)
    if isinstance(part, EffectRanges):
        # The two ends of a level-dependent gain are not random.
        return len([name for name in part.random_fields if not isinstance(getattr(part, name), tuple)])
    if isinstance(part, SendRanges):
        return 1 + _count_drawn(part.effects)
    if isinstance(part, TrackRanges):
        return _count_drawn(part.inserts) + _count_drawn(part.sends)
    return sum(_count_drawn(item) for item in (part.values() if isinstance(part, dict) else part))
