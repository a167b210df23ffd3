"""A recipe as it was understood: YAML with every default spelled out; and the JSON Schema of all recipes."""

from __future__ import annotations

import json
from typing import Any

import yaml

from rmod_pipeline.recipe.load import EXTENDS, NOTES
from rmod_pipeline.recipe.schema import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_INLINE_WIDTH = 140
_FIRST = ("name", "effect")


def recipe_yaml(recipe: Recipe) -> str:
    """Return the recipe with every default written out, as YAML that loads to the same recipe."""
    content = recipe.model_dump(mode="json", exclude_none=True)
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=160)


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema of a recipe: every key with its meaning, unit, limits and default."""
    schema = Recipe.model_json_schema()
    for model in (schema, *schema["$defs"].values()):
        _complete(model, schema["$defs"])
    # An author's own keys are dropped before a recipe is checked, so pydantic does not know of them.
    home = {"description": "The author's own: a home for YAML anchors, not read."}
    schema["properties"][EXTENDS] = {
        "type": "string",
        "title": EXTENDS,
        "description": "A recipe by name or path, whose keys count where this one has none of its own.",
    }
    # What is needed of a recipe may be the other's, but for the name.
    needed = [key for key in schema.pop("required") if key != "name"]
    either = [{"required": [EXTENDS]}, {"required": needed}]
    return {
        "$schema": DIALECT,
        **schema,
        "required": ["name"],
        "anyOf": either,
        "patternProperties": {f"^{NOTES}": home},
    }


def _complete(model: dict[str, Any], models: dict[str, Any]) -> None:
    """Give every field a title and, where it has none, the description of what it holds."""
    for name, field in model.get("properties", {}).items():
        field.setdefault("title", name.replace("_", " "))
        # The field that names an effect holds that effect; pydantic drops what a field and its model say alike.
        held = model if name == "effect" else models.get(field.get("$ref", "").rpartition("/")[2], {})
        if "description" in held:
            field.setdefault("description", held["description"])


class _Dumper(yaml.SafeDumper):
    """What is small stands in one line, as a person would write it: ``{uniform: [2, 10]}``."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        # What a thing is stands before what it is set to, though a model inherits its fields in another order.
        named = {key: mapping[key] for key in _FIRST if key in mapping}
        node = super().represent_mapping(tag, {**named, **mapping}, flow_style)
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
    """Return whether anything below the values of a mapping is more than a distribution."""
    return any(isinstance(value, list) and any(isinstance(item, dict) for item in value) for value in mapping.values())
