"""Print recipes: as YAML with every default written out, and as a JSON Schema of all recipes."""

from __future__ import annotations

import json
from typing import Any

import yaml

from rmod_pipeline.recipe.load import EXTENDS, PRIVATE_PREFIX
from rmod_pipeline.recipe.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_INLINE_WIDTH = 140
_FIRST = ("name", "effect")


def recipe_yaml(recipe: Recipe) -> str:
    """Return YAML with every default written out; it loads as the same recipe."""
    content = recipe.model_dump(mode="json", exclude_none=True)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=160)


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of recipes: every key with its meaning, unit, limits and default."""
    schema = Recipe.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        _add_titles(model, schema["$defs"])
    # Loading removes these keys before pydantic checks a recipe, so its schema lacks them.
    private = {"description": "A key of the author, for example for YAML anchors; rmod ignores it."}
    schema["properties"][EXTENDS] = {
        "type": "string",
        "title": EXTENDS,
        "description": "Name or path of another recipe, whose keys apply where this one has none of its own.",
    }
    # The other recipe can provide every required key except the name.
    inheritable = [key for key in schema.pop("required") if key != "name"]
    either = [{"required": [EXTENDS]}, {"required": inheritable}]
    return {
        "$schema": DIALECT,
        **schema,
        "required": ["name"],
        "anyOf": either,
        "patternProperties": {f"^{PRIVATE_PREFIX}": private},
    }


def _add_titles(model: dict[str, Any], models: dict[str, Any]) -> None:
    """Give every field a title, and a field without description that of its model."""
    for name, field in model.get("properties", {}).items():
        field.setdefault("title", name.replace("_", " "))
        # pydantic omits the description of a field that equals that of its model; the key `effect` names its own model.
        field_model = model if name == "effect" else models.get(field.get("$ref", "").rpartition("/")[2], {})
        if "description" in field_model:
            field.setdefault("description", field_model["description"])


class _Dumper(yaml.SafeDumper):
    """Writes a short mapping in one line, as people do: ``{uniform: [2, 10]}``."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        # Name and effect come first, although a model inherits its fields in another order.
        first = {key: mapping[key] for key in _FIRST if key in mapping}
        node = super().represent_mapping(tag, {**first, **mapping}, flow_style)
        node.flow_style = len(json.dumps(mapping)) <= _INLINE_WIDTH and not _holds_mappings(mapping)
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = not any(isinstance(item, dict) for item in sequence)
        return node

    def represent_float(self, data: float) -> yaml.ScalarNode:
        return super().represent_int(int(data)) if data.is_integer() else super().represent_float(data)


_Dumper.add_representer(float, _Dumper.represent_float)


def _holds_mappings(mapping: dict[str, Any]) -> bool:
    """Return whether a value of the mapping is a list of mappings."""
    return any(isinstance(value, list) and any(isinstance(item, dict) for item in value) for value in mapping.values())
