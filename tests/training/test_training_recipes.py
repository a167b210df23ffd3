"""Recipes of trainings: the key ``kind`` or the shipped name decides what is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.recipe import recipe_names
from rmod_pipeline.storage.folders import shipped_folder
from rmod_pipeline.training.recipes import KINDS, load_training_recipe
from tests.training.ear import ear_examples
from tests.training.training_examples import recipe_content


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind in KINDS for name in recipe_names(kind)])
def test_a_shipped_recipe_is_of_the_kind_of_its_folder(kind: str, name: str) -> None:
    loaded = load_training_recipe(name)
    assert isinstance(loaded, KINDS[kind])
    assert load_training_recipe(f"{kind}/{name}.yaml") == loaded
    assert load_training_recipe(str(shipped_folder("recipes") / kind / f"{name}.yaml")) == loaded


def test_no_name_is_that_of_two_recipes() -> None:
    names = [name for kind in KINDS for name in recipe_names(kind)]
    assert len(set(names)) == len(names)


def test_the_kind_of_a_file_is_its_key_and_dose_without_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(recipe_content()))
    assert load_training_recipe(str(path)) == DoseRecipe.model_validate(recipe_content())
    path.write_text(yaml.safe_dump({"kind": "dose", **recipe_content()}))
    assert load_training_recipe(str(path)) == DoseRecipe.model_validate(recipe_content())
    path.write_text(yaml.safe_dump({"kind": "ear", **ear_examples.recipe_content()}))
    assert load_training_recipe(str(path)) == EarRecipe.model_validate(ear_examples.recipe_content())


def test_an_error_lists_the_names_of_both_kinds(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no such dose or ear recipe \(did you mean 'ear'\?\)\n.*paper.*, ear"):
        load_training_recipe("eer")
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\nkind: nose\n")
    with pytest.raises(RecipeError, match=r"line 2: kind: no such kind of recipe.*nose[\s\S]*write one of dose, ear"):
        load_training_recipe(str(path))
    path.write_text("kind: ear\nname: x\nlayers: 3\n")
    with pytest.raises(RecipeError, match=r"2 problems[\s\S]*line 3: layers[\s\S]*ear\.yaml, where every key"):
        load_training_recipe(str(path))
