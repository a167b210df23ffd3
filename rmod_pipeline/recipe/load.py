"""Load recipes: YAML -> Recipe, with errors that name every mistake by line and key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from rmod_pipeline.errors import RecipeError
from rmod_pipeline.recipe.find import find_recipe, recipe_names
from rmod_pipeline.recipe.problems import Problem, describe_value, list_problems
from rmod_pipeline.recipe.schema import Recipe
from rmod_pipeline.recipe.yaml_tree import find_line, parse_yaml
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.folders import shipped_folder

RecipeModel = TypeVar("RecipeModel", bound=BaseModel)

PRIVATE_PREFIX = "x-"
"""Top-level keys with this prefix belong to the author, for example for YAML anchors; rmod ignores them."""

KIND = "kind"
"""The top-level key of a training's recipe that says what is trained."""

EXTENDS = "extends"
"""The top-level key that names another recipe, whose keys apply where this recipe has none of its own."""

Sections = Mapping[str, "Sections"]

_ANY_KEY = "*"
_SECTIONS: Sections = {
    "one_shots": {"layering": {}},
    "drums": {_ANY_KEY: {}},
    "loops": {_ANY_KEY: {}},
    "patterns": {},
    "reject": {},
}
"""The mappings that ``extends`` merges key by key. Any other value, such as a distribution, is replaced as a whole."""
_NOT_EXTENDED = ("name", "description")
"""The keys that a recipe never takes from the recipe that it extends."""
_SCHEMA_HINT = "`rmod recipe schema` lists every key with its meaning"


def load_recipe(path: Path) -> Recipe:
    """Load and check a recipe. Raises RecipeError that lists every problem with its line."""
    return _load(_read_text(path), path, path)


def load_yaml_as(model: type[RecipeModel], path: Location, example: Path) -> RecipeModel:
    """Load and check a recipe of another kind, such as a training recipe; ``example`` names a valid one.

    Raises RecipeError that lists every problem with its line.
    """
    tree, content = _parse_mapping(_read_text(path), path, example)
    return _validate(model, tree, content, path, f"see {example}, where every key is explained")


def load_yaml_by_kind(models: Mapping[str, type[RecipeModel]], path: Path, examples: Mapping[str, str]) -> RecipeModel:
    """Load and check a recipe whose top-level key ``kind`` chooses among ``models``; without it, the first.

    ``examples`` has the file name of a valid recipe of each kind, which ships in the folder of that name. Raises
    RecipeError that lists every problem with its line.
    """
    default = next(iter(models))
    shipped = {kind: shipped_folder("recipes") / kind / name for kind, name in examples.items()}
    tree, content = _parse_mapping(_read_text(path), path, shipped[default])
    kind = content.pop(KIND, default)
    if not isinstance(kind, str) or kind not in models:
        problem = Problem(find_line(tree, (KIND,)), KIND, f"no such kind of recipe{describe_value(kind)}")
        raise RecipeError(path, str(problem), f"write one of {', '.join(models)}")
    return _validate(models[kind], tree, content, path, f"see {shipped[kind]}, where every key is explained")


def load_yaml_over(model: type[RecipeModel], path: Path, base: Path) -> RecipeModel:
    """Load and check a YAML file whose keys replace those of the file ``base``, section by section.

    Raises RecipeError that lists every problem with its line in the first file.
    """
    tree, content = _parse_mapping(_read_text(path), path, base)
    _, base_content = _parse_mapping(_read_text(base), base, base)
    merged = _merge(base_content, content, {key: {} for key in base_content})
    return _validate(model, tree, merged, path, f"see {base}, where every key is explained")


def parse_recipe(text: str, about: object = "recipe") -> Recipe:
    """Parse a recipe from YAML text; ``about`` names it in errors. Raises RecipeError."""
    return _load(text, about, None)


def resolve_recipe(recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """Return a recipe, given by name, by path, as a mapping of its keys, or as a ``Recipe``. Raises RecipeError."""
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return parse_recipe(yaml.safe_dump(dict(recipe), sort_keys=False))
    return load_recipe(find_recipe(str(recipe)))


def dump_decisive(recipe: Recipe) -> dict[str, Any]:
    """Return the content of a recipe that decides the bytes: all but where the grooves lie."""
    return recipe.model_dump(mode="json", exclude={"patterns": {"manifest"}})


def recipe_digest(recipe: Recipe) -> str:
    """Return the SHA-256 of the meaning of a recipe: comments, key order and short forms do not change it.

    The order of drums and loops does, because it is the order of tracks in a spec.
    """
    return hashlib.sha256(json.dumps(dump_decisive(recipe)).encode()).hexdigest()


def _load(text: str, about: object, path: Path | None) -> Recipe:
    tree, content = _parse_with_base(text, about, (path,) if path else ())
    return _validate(Recipe, tree, content, about, _SCHEMA_HINT)


def _parse_with_base(text: str, about: object, files: tuple[Path, ...]) -> tuple[yaml.Node, dict[str, Any]]:
    """Return the tree of a recipe, and its content merged with the recipe that it extends.

    ``files`` is the chain of extending recipes, the file of this text last; it is empty for a text without a file.
    """
    tree, content = _parse_mapping(text, about, shipped_folder("recipes") / "quick.yaml")
    if EXTENDS not in content:
        return tree, content
    path = _find_base(content.pop(EXTENDS), tree, about, files[-1].parent if files else None)
    if any(path.resolve() == file.resolve() for file in files):
        raise RecipeError(about, f"extends {path}, which extends this recipe", "remove `extends` from one of them")
    base_tree, base = _parse_with_base(_read_text(path), path, (*files, path))
    # Check the base on its own, so that its problems are reported with its own lines.
    _validate(Recipe, base_tree, base, path, _SCHEMA_HINT)
    inherited = {key: value for key, value in base.items() if key not in _NOT_EXTENDED}
    return tree, _merge(inherited, content, _SECTIONS)


def _find_base(name: Any, tree: yaml.Node, about: object, folder: Path | None) -> Path:
    """Return the file of the recipe to extend: a shipped name, a path relative to ``folder``, or any other path."""
    line = find_line(tree, (EXTENDS,))
    if not isinstance(name, str):
        problem = Problem(line, EXTENDS, "the name or path of a recipe is needed here" + describe_value(name))
        raise RecipeError(about, str(problem), "write for instance `extends: rmod`")
    relative = folder / name if folder else None
    if relative and name not in recipe_names() and relative.is_file():
        return relative
    try:
        return find_recipe(name)
    except RecipeError as error:
        raise RecipeError(about, str(Problem(line, EXTENDS, str(error))), "") from error


def _merge(base: dict[str, Any], own: dict[str, Any], sections: Sections) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        subsections, base_value = sections.get(key, sections.get(_ANY_KEY)), base.get(key)
        # An empty mapping means none, as in a recipe that extends nothing, so it replaces the base's.
        if value and subsections is not None and isinstance(value, dict) and isinstance(base_value, dict):
            merged[key] = _merge(base_value, value, subsections)
        else:
            merged[key] = value
    return merged


def _read_text(path: Location) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(path, f"cannot be read: {error}", "a recipe is a YAML file in UTF-8") from error


def _parse_mapping(text: str, about: object, example: Path) -> tuple[yaml.Node, dict[str, Any]]:
    """Return the tree of a YAML mapping, and its content without the author's private keys."""
    tree, content = parse_yaml(text, about, example)
    if not isinstance(content, dict):
        raise RecipeError(about, "is not a recipe: no keys at the top", f"see {example} for a small one")
    return tree, {key: value for key, value in content.items() if not str(key).startswith(PRIVATE_PREFIX)}


def _validate(
    model: type[RecipeModel], tree: yaml.Node, content: dict[str, Any], about: object, hint: str
) -> RecipeModel:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = list_problems(model, tree, error)
        listed = "\n  ".join(str(problem) for problem in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise RecipeError(about, f"{count}\n  {listed}", hint) from error
