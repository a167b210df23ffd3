"""DOSE recipes: what they accept, and which error a wrong one gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from rmod_pipeline.dose.recipe import DoseRecipe, load_dose_recipe
from rmod_pipeline.errors import RecipeError

TINY = {"name": "mine", "schedule": {"steps": 10}}


@pytest.mark.parametrize("name", ["paper", "small", "laptop", "laptop_ear", "tiny"])
def test_a_shipped_recipe_is_valid(name: str) -> None:
    recipe = load_dose_recipe(name)
    assert recipe.name == name
    assert (recipe.model.codebooks, recipe.model.vocabulary, recipe.model.condition_frames) == (9, 1025, 345)
    assert [recipe.frames(each) for each in ("kick", "snare", "hihat")] == [90, 90, 40]
    assert load_dose_recipe(f"recipes/dose/{name}.yaml") == recipe
    assert DoseRecipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize("layout", ["delayed", "aligned"])
def test_an_older_recipe_may_call_the_layout_the_condition(layout: str) -> None:
    older, newer = (
        DoseRecipe.model_validate({**TINY, "model": {"layers": 3, key: layout}}) for key in ("condition", "layout")
    )
    assert older == newer
    assert (older.model.layout, older.model.condition, older.model.layers) == (layout, "tokens", 3)
    assert "layout" in older.model_dump(mode="json")["model"]


def test_the_recipe_with_an_ear_differs_from_laptop_in_that_alone() -> None:
    laptop, ear = (load_dose_recipe(name).model_dump() for name in ("laptop", "laptop_ear"))
    assert {key for key in laptop if laptop[key] != ear[key]} == {"name", "description", "model"}
    assert {key for key in laptop["model"] if laptop["model"][key] != ear["model"][key]} == {"condition"}


def test_there_is_one_model_per_instrument_or_one_for_all() -> None:
    assert load_dose_recipe("paper").models == (("kick",), ("snare",), ("hihat",))
    assert load_dose_recipe("tiny").models == (("kick", "snare", "hihat"),)


def test_frames_can_be_chosen_per_instrument() -> None:
    recipe = DoseRecipe.model_validate({**TINY, "instruments": ["tom", "clap"], "target_frames": {"tom": 120}})
    assert (recipe.frames("tom"), recipe.frames("clap")) == (120, 90)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"width": 100, "heads": 16}}, "multiple of the 16 heads"),
        ({"model": {"width": 9, "heads": 3}}, "even"),
        ({"model": {"width": 18, "heads": 6, "positions": "rotary"}}, "pairs of channels"),
        ({"model": {"positions": "rotary", "reference_compatible": True}}, "published model has no positions"),
        ({"model": {"layout": "aligned", "reference_compatible": True}}, "published model has no positions"),
        ({"model": {"condition": "mel", "reference_compatible": True}}, "published model has no positions"),
        ({"model": {"condition": "aligned", "layout": "aligned"}}, "'tokens', 'mel' or 'ear'"),
        ({"model": {"hits_known": 1.1}}, "less than or equal to 1"),
        ({"instruments": ["kick", "kick"]}, "twice"),
        ({"instruments": ["Kick"]}, "pattern"),
        ({"instruments": []}, "at least 1"),
        ({"target_frames": {"tom": 3}}, "target_frames.tom"),
        ({"one_model": True, "model": {"reference_compatible": True}}, "no classes"),
        ({"schedule": {"steps": 10, "warm_up_steps": 10}}, "below steps"),
        ({"loss": {"onset": -1}}, "greater than or equal to 0"),
        ({"loss": {"tail": "cut"}}, "'learned' or 'masked'"),
    ],
)
def test_values_that_contradict_each_other_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DoseRecipe.model_validate({**TINY, **changes})


def test_an_error_gives_the_line_and_the_nearest_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nmodel:\n  layrs: 3\n  width: many\nschedule: {steps: 10}\n")
    with pytest.raises(RecipeError) as error:
        load_dose_recipe(str(path))
    assert "line 3: model.layrs: unknown key 'layrs' (did you mean 'layers'?)" in str(error.value)
    assert "line 4: model.width: a whole number is needed here, found 'many'" in str(error.value)
    assert "recipes/dose/tiny.yaml" in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("papr", "did you mean 'paper'"), ("missing/x.yaml", "no such dose recipe"), (".", "is a folder")],
)
def test_an_error_names_a_missing_recipe(name: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_dose_recipe(name)


def test_an_error_describes_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    cases = (("", "is empty"), ("- 1\n", "no keys"), ("a: [", "invalid YAML"), ("a: 1\na: 2\n", "twice"))
    for content, message in cases:
        path.write_text(content)
        with pytest.raises(RecipeError, match=message):
            load_dose_recipe(str(path))
