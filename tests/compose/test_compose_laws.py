"""A spec depends on its pair id alone, and a draw on its name alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.compose import SplitAssets, make_settings
from rmod_pipeline.effects import EFFECTS
from rmod_pipeline.effects.crossover import Crossover
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.recipe import Recipe, recipe_names
from rmod_pipeline.spec import DrumTrack, PairId, PairSpec
from tests.compose.compose_examples import COUNTS, LIBRARY, SPLITS, Composer, library_of, shipped_recipe
from tests.compose.write_golden import GOLDEN, RECIPES, golden_specs

ROOT = Path(__file__).parents[2]
COMPOSERS = {name: Composer(shipped_recipe(name)) for name in recipe_names()}

pair_ids = st.builds(
    PairId,
    seed=st.integers(-(2**70), 2**70),
    split=st.sampled_from(SPLITS),
    index=st.integers(0, 10**8 - 1),
    attempt=st.integers(0, 100),
)
composers = st.sampled_from(list(COMPOSERS.values()))


def compose(composer: Composer, pair_id: PairId) -> PairSpec:
    return composer.at(pair_id.index, pair_id.split, pair_id.seed, pair_id.attempt)


# If this fails, all data sets change: raise OUTPUT_VERSION, note it in the change log, and write new golden specs.
@pytest.mark.parametrize("recipe", RECIPES)
def test_specs_never_drift(recipe: str) -> None:
    kept = json.loads((GOLDEN / f"{recipe}.json").read_text(encoding="utf-8"))
    assert [spec.to_dict() for spec in golden_specs(recipe)] == kept


@given(composers, pair_ids)
def test_the_same_pair_id_gives_the_same_spec(composer: Composer, pair_id: PairId) -> None:
    assert compose(composer, pair_id) == compose(composer, pair_id)


def test_the_order_of_calls_does_not_matter(rmod: Composer, many: list[PairSpec]) -> None:
    assert [rmod.at(index) for index in (77, 3, 4999, 3, 0)] == [many[index] for index in (77, 3, 4999, 3, 0)]


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_gives_the_same_specs(hash_seed: str) -> None:
    code = "from tests.compose.write_golden import *; print([s.to_json() for n in RECIPES for s in golden_specs(n)])"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([spec.to_json() for name in RECIPES for spec in golden_specs(name)])


@given(composers, pair_ids)
def test_a_spec_survives_json(composer: Composer, pair_id: PairId) -> None:
    spec = compose(composer, pair_id)
    assert PairSpec.from_json(spec.to_json()) == spec
    assert PairSpec.from_json(json.dumps(spec.to_dict())) == spec


@given(composers, pair_ids)
def test_hits_rise_within_the_grid_and_layers_differ(composer: Composer, pair_id: PairId) -> None:
    spec = compose(composer, pair_id)
    for drum in spec.drums:
        ticks = [note.tick for note in drum.notes]
        assert ticks == sorted(set(ticks))
        assert 0 <= ticks[0] <= ticks[-1] < spec.settings.grid
        assert len({layer.asset for layer in drum.layers}) == len(drum.layers)


@given(composers, pair_ids)
def test_a_pair_plays_only_sounds_of_its_own_split(composer: Composer, pair_id: PairId) -> None:
    for kind, asset, sha256 in compose(composer, pair_id).sources():
        listed = LIBRARY.by_id[asset]
        assert (listed.kind, listed.split, listed.sha256) == (kind, pair_id.split, sha256)


@given(composers, pair_ids, st.data())
def test_every_part_of_the_pair_id_changes_the_spec(composer: Composer, pair_id: PairId, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(["seed", "split", "index", "attempt"]))
    new_value = data.draw(
        pair_ids.map(lambda candidate: getattr(candidate, part)).filter(lambda v: v != getattr(pair_id, part))
    )
    spec, changed = compose(composer, pair_id), compose(composer, replace(pair_id, **{part: new_value}))
    # Hits, effects and master all change.
    assert spec.master != changed.master
    assert [drum.inserts for drum in spec.drums] != [drum.inserts for drum in changed.drums]
    if composer.recipe.grooves is None:  # there are few grooves, so two pairs may play the same window
        assert [drum.notes for drum in spec.drums] != [drum.notes for drum in changed.drums]


def test_an_attempt_changes_everything(rmod: Composer, many: list[PairSpec]) -> None:
    numbers = [_numbers(spec.to_dict()["drums"]) | _numbers(spec.to_dict()["master"]) for spec in (many[0], many[1])]
    retry = rmod.at(0, attempt=1)
    retry_numbers = _numbers(retry.to_dict()["drums"]) | _numbers(retry.to_dict()["master"])
    # Two attempts of a pair share no more numbers than two pairs.
    assert len(numbers[0] & retry_numbers) <= len(numbers[0] & numbers[1]) + 5
    assert many[0].key == retry.key


def test_seed_0_is_a_seed(rmod: Composer, many: list[PairSpec]) -> None:
    assert rmod.at(5, seed=0) == many[5]
    assert rmod.at(5, seed=0).master != rmod.at(5, seed=1).master


def recipe_with(recipe: Recipe, *changes: tuple[tuple[str | int, ...], Any]) -> Recipe:
    """Return a recipe with changed values, given by their path of keys; a value is inserted into a list."""
    content = recipe.model_dump(mode="json")
    for path, value in changes:
        part: Any = content
        for key in path[:-1]:
            part = part[key]
        if isinstance(part, list):
            part.insert(int(path[-1]), value)
        else:
            part[path[-1]] = value
    return Recipe.model_validate(content)


ADDED = {
    "width": {"effect": "width", "width": [0, 2], "probability": 0.5},
    "filter": {"effect": "filter", "passes": "high", "hz": [20, 200]},
}


# Not width in rmod_wide: a second width before its own would become the first of that name.
@pytest.mark.parametrize("position", [0, 1, 2, 3])
@pytest.mark.parametrize(("recipe", "effect"), [("rmod", "width"), ("rmod", "filter"), ("rmod_wide", "filter")])
def test_an_added_effect_changes_no_other_draw(recipe: str, position: int, effect: str) -> None:
    before = COMPOSERS[recipe]
    paths = [("drums", "kick", "inserts", position), ("loops", "bass", "inserts", position), ("master", position)]
    if effect == "width":
        paths.append(("drums", "snare", "sends", 0, "effects", min(position, 3)))
    after = Composer(recipe_with(before.recipe, *((path, ADDED[effect]) for path in paths)))
    for index in range(20):
        assert _without(effect, after.at(index).to_dict()) == before.at(index).to_dict()


def test_an_effect_added_to_a_shuffled_slot_changes_no_other_value() -> None:
    before = COMPOSERS["rmod_wide"]
    path = ("drums", "kick", "inserts", 1, "any_order", 0)
    after = Composer(recipe_with(before.recipe, (path, ADDED["filter"])))
    for index in range(20):
        old, new = before.at(index).to_dict(), _without("filter", after.at(index).to_dict())
        for spec in (old, new):
            spec["drums"][0]["inserts"].sort(key=str)
        assert old == new


VARIED = {"semitones": [-4, 4], "effects": [{"effect": "decay", "seconds": [0.1, 2.0]}]}


def test_varied_one_shots_change_no_other_draw(rmod: Composer) -> None:
    content = rmod.recipe.model_dump(mode="json")
    after = Composer(Recipe.model_validate({**content, "one_shots": {**content["one_shots"], **VARIED}}))
    speeds: set[float] = set()
    decays: set[float] = set()
    for index in range(20):
        spec = after.at(index).to_dict()
        for drum in spec["drums"]:
            decays.update(effect["seconds"] for effect in drum.pop("one_shot"))
            speeds.update(layer.pop("semitones") for layer in drum["layers"])
        # The JSON omits the keys of variation if they are unused, so that it equals that of older versions.
        assert spec == rmod.at(index).to_dict()
    assert len(decays) == 20 * 3
    assert len(speeds) == 20 * 3 * 2
    assert -4 <= min(speeds) < -3 < 3 < max(speeds) <= 4


CROSSOVER = {"probability": 0.4, "hz": {"log_uniform": [150, 4000]}}


def test_a_crossover_changes_no_draw_of_another_one_shot(rmod: Composer) -> None:
    layering = {"none": 0.3, "weights": [[0.8, 0.2], [0.5, 0.3, 0.2]]}
    before, after = (
        Composer(recipe_with(rmod.recipe, (("one_shots", "layering"), {**layering, **more})))
        for more in ({}, {"crossover": CROSSOVER})
    )
    divided = 0
    for index in range(100):
        old, new = before.at(index).to_dict(), after.at(index).to_dict()
        for old_drum, new_drum in zip(old["drums"], new["drums"], strict=True):
            if "effects" in new_drum["layers"][0]:
                divided += 1
                assert len(old_drum["layers"]) > 1
                new_drum["layers"] = old_drum["layers"]
        assert new == old
    # 0.7 of 300 one-shots have layers, and 0.4 of these have a crossover.
    assert divided == pytest.approx(300 * 0.7 * 0.4, abs=30)


def test_a_crossover_gives_two_different_sounds_whose_bands_meet(rmod: Composer) -> None:
    layering = {"none": 0.0, "crossover": {**CROSSOVER, "probability": 1.0}}
    composer = Composer(recipe_with(rmod.recipe, (("one_shots", "layering"), layering)))
    frequencies = set()
    for index in range(40):
        spec = composer.at(index)
        assert PairSpec.from_json(spec.to_json()) == spec
        for drum in spec.drums:
            low, high = drum.layers
            assert low.asset != high.asset
            assert low.weight == high.weight == 0.5
            (below,), (above,) = low.effects, high.effects
            assert isinstance(below, Crossover)
            assert above == replace(below, passes="high")
            assert below.passes == "low"
            frequencies.add(below.hz)
    assert len(frequencies) == 40 * 3
    assert 150 <= min(frequencies) < 200
    assert 3000 < max(frequencies) <= 4000


def test_effects_of_the_same_name_have_different_draws(rmod: Composer) -> None:
    compressor = rmod.recipe.model_dump(mode="json")["drums"]["kick"]["inserts"][2]
    after = Composer(recipe_with(rmod.recipe, (("drums", "kick", "inserts", 5), compressor)))
    first, second = (effect for effect in after.at(0).drums[0].inserts if effect.effect == "compressor")
    assert first != second
    assert first == rmod.at(0).drums[0].inserts[2]


def test_sends_of_the_same_name_have_different_draws(rmod: Composer) -> None:
    send = rmod.recipe.model_dump(mode="json")["drums"]["snare"]["sends"][0]
    after = Composer(recipe_with(rmod.recipe, (("drums", "snare", "sends", 1), send)))
    first, second, third = after.at(0).drums[1].sends
    assert (first, third) == rmod.at(0).drums[1].sends
    assert first.level_db != second.level_db
    assert first.effects[0] != second.effects[0]


def test_an_added_send_changes_no_other_draw(rmod: Composer) -> None:
    send = rmod.recipe.model_dump(mode="json")["drums"]["snare"]["sends"][0]
    after = Composer(recipe_with(rmod.recipe, (("drums", "snare", "sends", 0), {**send, "name": "hall"})))
    for index in range(20):
        spec = after.at(index).to_dict()
        del spec["drums"][1]["sends"][0]
        assert spec == rmod.at(index).to_dict()


@pytest.mark.parametrize("kind", ["snare", "guitar"])
def test_a_removed_track_changes_no_other_track(kind: str, rmod: Composer) -> None:
    content = rmod.recipe.model_dump(mode="json")
    part = "drums" if kind in content["drums"] else "loops"
    del content[part][kind]
    without = Composer(Recipe.model_validate(content))
    for index in range(20):
        spec = rmod.at(index).to_dict()
        spec[part] = [track for track in spec[part] if track["kind"] != kind]
        assert without.at(index).to_dict() == spec


def test_the_engine_changes_no_draw(rmod: Composer) -> None:
    other_settings = make_settings(rmod.recipe, "another")
    assert replace(other_settings, engine="pedalboard") == rmod.settings
    assert rmod.at(3).with_engine("another").settings == other_settings


def test_layering_uses_the_rows_of_weights(rmod: Composer) -> None:
    rows = ((0.5, 0.3, 0.2), (0.9, 0.1))
    composer = Composer(recipe_with(rmod.recipe, (("one_shots", "layering"), {"none": 0.4, "weights": rows})))
    weights = {tuple(layer.weight for layer in drum.layers) for i in range(200) for drum in composer.at(i).drums}
    assert weights == {(1.0,), *rows}


def test_a_shuffled_chain_stands_in_every_order() -> None:
    kicks = [COMPOSERS["rmod_wide"].at(index).drums[0] for index in range(100)]
    orders = [tuple(effect.effect for effect in kick.inserts[1:3]) for kick in kicks]
    assert set(orders) == {("equalizer", "compressor"), ("compressor", "equalizer")}
    assert 30 < orders.count(("equalizer", "compressor")) < 70


@pytest.mark.parametrize("kind", ["hihat", "vocal"])
def test_a_library_without_a_kind_is_refused(kind: str, rmod: Composer) -> None:
    library = library_of({name: count for name, count in COUNTS.items() if name != kind})
    with pytest.raises(LibraryError, match=f"no {kind} at all"):
        SplitAssets.of(rmod.recipe, library, "train")


def test_a_split_without_a_kind_is_refused(rmod: Composer) -> None:
    kept = [asset for asset in LIBRARY.assets if not (asset.kind == "piano" and asset.split == "test")]
    library = replace(LIBRARY, assets=tuple(kept))
    SplitAssets.of(rmod.recipe, library, "train")
    with pytest.raises(LibraryError, match="test has no piano"):
        SplitAssets.of(rmod.recipe, library, "test")


def test_too_few_one_shots_to_layer_are_refused(rmod: Composer) -> None:
    library = library_of({**COUNTS, "snare": 1})
    with pytest.raises(LibraryError, match="only 1 snare, 2 needed"):
        SplitAssets.of(rmod.recipe, library, "train")
    alone = recipe_with(rmod.recipe, (("one_shots", "layering", "none"), 1.0))
    assert len(Composer(alone, library).at(0).drums[1].layers) == 1


@settings(max_examples=20)
@given(st.integers(0, 10**8 - 1))
def test_two_one_shots_are_enough_and_one_loop_is(index: int) -> None:
    library = library_of({kind: 2 if kind in ("kick", "snare", "hihat") else 1 for kind in COUNTS})
    spec = Composer(COMPOSERS["rmod"].recipe, library).at(index)
    for drum in spec.drums:
        assert isinstance(drum, DrumTrack)
        assert len({layer.asset for layer in drum.layers}) == 2


def test_composing_imports_no_audio_library() -> None:
    code = """if True:
        import sys
        from tests.compose.compose_examples import Composer, shipped_recipe
        Composer(shipped_recipe("rmod")).at(0).to_json()
        print(*sorted({name.split(".")[0] for name in sys.modules}), *sys.modules)
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "rmod_pipeline.compose" in loaded
    sound = {"soundfile", "soxr", "librosa", "pedalboard", "pyloudnorm", "scipy", "torch", "rmod_pipeline.library.read"}
    assert loaded & sound == set()


def _without(effect: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Return a spec without the effects of a name, except a filter that the sends of the recipe have anyway."""

    def remove(part: Any, parent: str) -> Any:
        if isinstance(part, list):
            kept = [item for item in part if not (isinstance(item, dict) and item.get("effect") == effect)]
            return [remove(item, parent) for item in (kept if effect == "width" or parent != "sends" else part)]
        if isinstance(part, dict):
            return {key: remove(item, "sends" if "sends" in (key, parent) else key) for key, item in part.items()}
        return part

    assert effect in EFFECTS
    result: dict[str, Any] = remove(spec, "")
    return result


def _numbers(part: Any) -> set[float]:
    """Return the numbers in a part of a spec that have a fraction, which practically never repeat by chance."""
    if isinstance(part, dict):
        return set().union(*map(_numbers, part.values()))
    if isinstance(part, list):
        return set().union(*map(_numbers, part))
    return {part} if isinstance(part, float) and part % 1 else set()
