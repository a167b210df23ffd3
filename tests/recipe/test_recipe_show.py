"""Printing a recipe with its defaults, and the JSON Schema of recipes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from rmod_pipeline.recipe import (
    find_recipe,
    load_recipe,
    parse_recipe,
    recipe_digest,
    recipe_names,
    recipe_schema,
    recipe_yaml,
)

# Ratios and other fields without a unit.
WITHOUT_UNIT = {"q", "feedback", "position", "room", "damping", "width"}


@pytest.mark.parametrize("name", recipe_names())
def test_a_shown_recipe_is_the_same_recipe(name: str) -> None:
    recipe = load_recipe(find_recipe(name))
    reloaded = parse_recipe(recipe_yaml(recipe))
    assert reloaded == recipe
    assert recipe_digest(reloaded) == recipe_digest(recipe)
    assert recipe_yaml(reloaded) == recipe_yaml(recipe)


def test_defaults_and_long_forms_are_written_out() -> None:
    shown = recipe_yaml(parse_recipe("name: x\ndrums: {kick: {hits: 3}}"))
    assert "grid: 1920" in shown
    assert "hits: {integers: [3, 3]}" in shown
    assert "velocity: {normal: [100, 3], clip: [1, 127]}" in shown
    assert "null" not in shown


def test_text_survives() -> None:
    recipe = parse_recipe("name: x\ndescription: 'Kicks: größer, #1'\ndrums: {kick: {}}")
    assert parse_recipe(recipe_yaml(recipe)).description == "Kicks: größer, #1"


def fields(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model in (schema, *schema["$defs"].values()):
        for name, field in model.get("properties", {}).items():
            yield model["title"], name, field


def test_every_field_has_title_and_description_and_every_number_a_unit() -> None:
    seen = 0
    for model, name, field in fields(recipe_schema()):
        assert field.get("title"), (model, name)
        assert field.get("description"), (model, name)
        if any(form.get("$ref", "").endswith("LogUniform") for form in field.get("anyOf", [])):
            assert field["unit"] or name in WITHOUT_UNIT, (model, name)
            seen += 1
    assert seen >= 15


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(recipe_schema(), allow_nan=False)) == recipe_schema()


@pytest.fixture(scope="module")
def validator() -> Any:
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(recipe_schema())
    return jsonschema.Draft202012Validator(recipe_schema())


@pytest.mark.parametrize("name", recipe_names())
def test_the_schema_allows_the_shipped_recipes(name: str, validator: Any) -> None:
    for text in (find_recipe(name).read_text(), recipe_yaml(load_recipe(find_recipe(name)))):
        assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize("written", [4, [2, 4], {"integers": [2, 4]}, {"choice": [2, 3]}])
def test_the_schema_allows_short_forms_and_long(written: Any, validator: Any) -> None:
    assert validator.is_valid({"name": "x", "drums": {"kick": {"hits": written}}})


@pytest.mark.parametrize(
    "drum",
    [
        {"hitz": 4},
        {"hits": "many"},
        {"hits": 0},
        {"hits": [0, 4]},
        {"hits": [2, 3, 4]},
        {"presence": 2},
        {"inserts": [{"effect": "gian", "gain_db": 1}]},
        {"inserts": [{"effect": "gain"}]},
        {"inserts": [{"effect": "gain", "gain_db": 1, "ratio": 2}]},
        {"inserts": [{"effect": "gain", "gain_db": 900}]},
        {"inserts": [{"effect": "pan", "position": 0, "law": "linaer"}]},
    ],
)
def test_the_schema_refuses_mistakes(drum: dict[str, Any], validator: Any) -> None:
    assert not validator.is_valid({"name": "x", "drums": {"kick": drum}})
