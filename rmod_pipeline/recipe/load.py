"""YAML -> Recipe, with errors that name the line, the key, and the nearest right name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from rmod_pipeline.effects import EFFECTS
from rmod_pipeline.errors import RecipeError, nearest
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.recipe.schema import Recipe
from rmod_pipeline.storage.naming import NAME_IN_WORDS

AnyRecipe = TypeVar("AnyRecipe", bound=BaseModel)

Place = tuple[str | int, ...]
"""Where something stands in a recipe: keys and positions from the top."""

NOTES = "x-"
"""A top-level key that begins so is the author's own: a home for YAML anchors, not read by us."""

EXTENDS = "extends"
"""The top-level key that names another recipe, whose keys count where a recipe has none of its own."""

Sections = Mapping[str, "Sections"]

_EACH = "*"
_SECTIONS: Sections = {
    "one_shots": {"layering": {}},
    "drums": {_EACH: {}},
    "loops": {_EACH: {}},
    "reject": {},
}
"""What is taken over key by key; anything else is wholly the one recipe's or the other's, a random value above all."""
_OWN = ("name", "description")
"""What no recipe takes over."""
_KEYS = "`rmod recipe schema` lists every key with its meaning"


_NOTHING = {
    "model_type": "write {} for what is given by default, or remove the key",
    "dict_type": "write {} for none, or remove the key",
    "list_type": "write [] for none, or remove the key",
    "tuple_type": "write [] for none, or remove the key",
}
"""What to write where a key stands without a value, by the error that pydantic gives it."""


_NEEDED = {
    "model_type": "keys with values are needed here",
    "dict_type": "keys with values are needed here",
    "list_type": "a list is needed here: [...], or lines that begin with -",
    "tuple_type": "a list is needed here: [...], or lines that begin with -",
    "float_type": "a number is needed here",
    "float_parsing": "a number is needed here",
    "finite_number": "a finite number is needed here",
    "int_type": "a whole number is needed here",
    "int_parsing": "a whole number is needed here",
    "int_parsing_size": "a whole number is needed here, and a smaller one",
    "int_from_float": "a whole number is needed here",
    "bool_type": "true or false is needed here",
    "bool_parsing": "true or false is needed here",
    "string_type": "text is needed here (a number as text needs quotes)",
    "greater_than": "more than {gt:g} is needed here",
    "greater_than_equal": "{ge:g} or more is needed here",
    "less_than": "less than {lt:g} is needed here",
    "less_than_equal": "{le:g} at most can stand here",
    "too_short": "{min_length} or more items are needed here",
    "too_long": "{max_length} items at most can stand here",
}
"""What can stand there, by the error that pydantic gives; the braces are filled from the limits that it names."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a recipe."""

    line: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.where}: {self.message}" if self.where else f"line {self.line}: {self.message}"


def load_recipe(path: Path) -> Recipe:
    """Read and check a recipe. Raises RecipeError that lists every problem with its line."""
    return _recipe(_text(path), path, path)


def load_as(model: type[AnyRecipe], path: Path, example: str) -> AnyRecipe:
    """Read and check a recipe for something else than a data set; ``example`` names one that is right.

    Raises RecipeError that lists every problem with its line.
    """
    tree, content = _read(_text(path), path, example)
    return _validated(model, tree, content, path, f"see {example}, where every key is explained")


def parse_recipe(text: str, about: object = "recipe") -> Recipe:
    """Read a recipe from YAML text; ``about`` names it in errors. Raises RecipeError."""
    return _recipe(text, about, None)


def resolve_recipe(recipe: str | Path | Mapping[str, Any] | Recipe) -> Recipe:
    """Return a recipe by name, by path, from a mapping of its keys, or as it is. Raises RecipeError."""
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return parse_recipe(yaml.safe_dump(dict(recipe), sort_keys=False))
    return load_recipe(find_recipe(str(recipe)))


def _recipe(text: str, about: object, path: Path | None) -> Recipe:
    tree, content = _extended(text, about, (path,) if path else ())
    return _validated(Recipe, tree, content, about, _KEYS)


def _extended(text: str, about: object, files: tuple[Path, ...]) -> tuple[yaml.Node, dict[str, Any]]:
    """Return a recipe's tree, and its content with what it takes over from the recipe that it extends.

    ``files`` are those that led here, the recipe's own last; none for a text of no file.
    """
    tree, content = _read(text, about, "recipes/quick.yaml")
    if EXTENDS not in content:
        return tree, content
    path = _found_base(content.pop(EXTENDS), tree, about, files[-1].parent if files else None)
    if any(path.resolve() == file.resolve() for file in files):
        raise RecipeError(about, f"extends {path}, which extends it in turn", "let one of them stand on its own")
    below, base = _extended(_text(path), path, (*files, path))
    # What is wrong there is told at its lines, not at this recipe's.
    _validated(Recipe, below, base, path, _KEYS)
    kept = {key: value for key, value in base.items() if key not in _OWN}
    return tree, _merged(kept, content, _SECTIONS)


def _found_base(name: Any, tree: yaml.Node, about: object, folder: Path | None) -> Path:
    """Return the file of the recipe to extend: in the folder of the one that names it, or as on the command line."""
    line = _line(tree, (EXTENDS,))
    if not isinstance(name, str):
        found = str(Problem(line, EXTENDS, "the name or path of a recipe is needed here" + _found(name)))
        raise RecipeError(about, found, "write for instance `extends: rmod`")
    beside = folder / name if folder else None
    if beside and beside.is_file():
        return beside
    try:
        return find_recipe(name)
    except RecipeError as error:
        raise RecipeError(about, str(Problem(line, EXTENDS, str(error))), "") from error


def _merged(base: dict[str, Any], own: dict[str, Any], sections: Sections) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        below, taken = sections.get(key, sections.get(_EACH)), base.get(key)
        # An empty mapping says none, as it does in a recipe that stands on its own.
        if value and below is not None and isinstance(value, dict) and isinstance(taken, dict):
            merged[key] = _merged(taken, value, below)
        else:
            merged[key] = value
    return merged


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(path, f"cannot be read: {error}", "a recipe is a YAML file in UTF-8") from error


def _read(text: str, about: object, example: str) -> tuple[yaml.Node, dict[str, Any]]:
    """Return YAML as a tree, and what it holds without the author's notes."""
    tree, content = _parse_yaml(text, about, example)
    if not isinstance(content, dict):
        raise RecipeError(about, "is not a recipe: no keys at the top", f"see {example} for a small one")
    return tree, {key: value for key, value in content.items() if not str(key).startswith(NOTES)}


def _validated(model: type[AnyRecipe], tree: yaml.Node, content: dict[str, Any], about: object, hint: str) -> AnyRecipe:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # What stands once under an anchor and is used in five chains is one problem, not five.
        once = {
            (problem.line, problem.message): problem
            for problem in (_problem(model, tree, each) for each in error.errors())
        }
        problems = sorted(once.values(), key=lambda problem: problem.line)
        listed = "\n  ".join(str(problem) for problem in problems)
        counted = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise RecipeError(about, f"{counted}\n  {listed}", hint) from error


def recipe_digest(recipe: Recipe) -> str:
    """Return the SHA-256 of what a recipe means; comments, order of keys and short forms do not count.

    The order of drums and loops does count: it is the order of tracks in a spec.
    """
    return hashlib.sha256(json.dumps(recipe.model_dump(mode="json")).encode()).hexdigest()


class _UniqueKeys(yaml.SafeLoader):
    """YAML lets a later key silently replace an earlier one; here that is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' stands twice", key.start_mark
                )
            seen[key.value] = key
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, about: object, example: str) -> tuple[yaml.Node, Any]:
    try:
        loader = _UniqueKeys(text)
        try:
            tree = loader.get_single_node()
            if tree is None:
                raise RecipeError(about, "is empty", f"see {example} for a small recipe")
            return tree, loader.construct_document(tree)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(about, f"{line}not YAML that can be read: {reason}", "check indent and quotes") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise RecipeError(about, f"not YAML that can be read: {error}", "check indent, dates and nesting") from error


def _problem(base: type[BaseModel], tree: yaml.Node, found: Any) -> Problem:
    kind = found["type"]
    if kind == "inconsistent":
        # Found when the whole was looked at: its own location is the top, the place is in the context.
        location = tuple(int(part) if part.isdecimal() else part for part in found["ctx"]["place"].split("."))
        # Told in full: what is longer than a mixture may be the loop of a recipe that this one extends.
        return Problem(_line(tree, tuple(_written(tree, location))), found["ctx"]["place"], found["ctx"]["message"])
    place = tuple(_written(tree, found["loc"]))
    message = found["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        name = str(found["loc"][-1])
        message = f"unknown key '{name}'{nearest(name, _known_keys(base, found['loc']))}"
    elif kind == "missing":
        last = found["loc"][-1]
        message = f"item {last + 1} is missing" if isinstance(last, int) else f"the key '{last}' is missing"
    elif kind == "union_tag_invalid":
        name = str(found["ctx"]["tag"])
        message = f"unknown effect '{name}'{nearest(name, EFFECTS)}; effects are {', '.join(EFFECTS)}"
    elif kind == "union_tag_not_found":
        message = f"no `effect:` key; effects are {', '.join(EFFECTS)}"
    elif found["input"] is None and kind in _NOTHING:
        message = f"nothing stands here; {_NOTHING[kind]}"
    elif kind in _NEEDED:
        message = _NEEDED[kind].format(**found.get("ctx", {})) + _found(found["input"])
    elif kind == "string_pattern_mismatch":
        message = f"{found['input']!r} is no name; a name has {NAME_IN_WORDS}"
    elif repr(found["input"]) not in message:
        message += _found(found["input"])
    return Problem(_line(tree, place), ".".join(str(part) for part in place), message)


def _found(value: Any) -> str:
    """Say what stands there, if it is short."""
    if isinstance(value, (dict, list, tuple)):
        return ""
    return ", found nothing" if value is None else f", found {value!r}"


def _written(tree: yaml.Node, location: Sequence[str | int]) -> Iterator[str | int]:
    """Yield the parts of a location that stand in the file: pydantic also names the union members it tried."""
    node: yaml.Node | None = tree
    tagged: yaml.Node | None = None
    for part in location:
        effect = _child(node, "effect")
        if isinstance(effect, yaml.ScalarNode) and effect.value == part and tagged is not node:
            tagged = node  # the effect's name as a union member; `width` may come again, as a key
            continue
        child = _child(node, part)
        if child is not None:
            yield part
            node = child


def _child(node: yaml.Node | None, part: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return value
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for one in merged:
                    found = _child(one, part)
                    if found is not None:
                        return found
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None


def _line(tree: yaml.Node, place: Place) -> int:
    node = tree
    line = tree.start_mark.line
    for part in place:
        parent, node = node, _child(node, part) or node
        line = node.start_mark.line
        if isinstance(parent, yaml.MappingNode):
            # A key's own line: the value of a block mapping begins one line below it.
            line = next((key.start_mark.line for key, _ in parent.value if key.value == str(part)), line)
    return int(line) + 1


def _known_keys(base: type[BaseModel], unknown: Sequence[str | int]) -> list[str]:
    """Return the keys that may stand where an unknown one was found."""
    *location, name = unknown
    models = list(_models(base))
    named = [model for model in models if location and location[-1] in (model.__name__, *_literal(model))]
    plain = _plainly_below(base, location)
    chosen = [plain] if plain else named or models
    # What is right elsewhere, such as `effects`, is not what was meant here.
    return sorted({key for model in chosen for key in model.model_fields} - {str(name)})


def _plainly_below(base: type[BaseModel], location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model at a location that leads through fields that hold one model each, else None."""
    for part in location:
        field = base.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        base = field.annotation
    return base


def _literal(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("effect")
    return tuple(getattr(field.annotation, "__args__", ())) if field else ()


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    from rmod_pipeline.distributions import Strict

    pending: list[type[BaseModel]] = [Strict, base]
    seen: set[type[BaseModel]] = set()
    while pending:
        model = pending.pop()
        if model not in seen:
            seen.add(model)
            yield model
            pending += model.__subclasses__()
