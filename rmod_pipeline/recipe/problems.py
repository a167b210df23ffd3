"""Turn pydantic's validation errors into messages with the line, the key and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from rmod_pipeline.distributions import Strict
from rmod_pipeline.effects import EFFECTS
from rmod_pipeline.errors import nearest
from rmod_pipeline.recipe.yaml_tree import Key, find_line, select_written
from rmod_pipeline.storage.naming import NAME_IN_WORDS

_QUOTED = re.compile(r"'([^']+)'")

_EMPTY_VALUE_HINTS = {
    "model_type": "write {} for the defaults, or remove the key",
    "dict_type": "write {} for none, or remove the key",
    "list_type": "write [] for none, or remove the key",
    "tuple_type": "write [] for none, or remove the key",
}
"""What to write for a key without a value, by pydantic's error type."""

_EXPECTED = {
    "model_type": "keys with values are needed here",
    "dict_type": "keys with values are needed here",
    "list_type": "a list is needed here: [...], or lines that begin with -",
    "tuple_type": "a list is needed here: [...], or lines that begin with -",
    "float_type": "a number is needed here",
    "float_parsing": "a number is needed here",
    "finite_number": "a finite number is needed here",
    "int_type": "a whole number is needed here",
    "int_parsing": "a whole number is needed here",
    "int_parsing_size": "a smaller whole number is needed here",
    "int_from_float": "a whole number is needed here",
    "bool_type": "true or false is needed here",
    "bool_parsing": "true or false is needed here",
    "string_type": "text is needed here (a number as text needs quotes)",
    "greater_than": "more than {gt:g} is needed here",
    "greater_than_equal": "{ge:g} or more is needed here",
    "less_than": "less than {lt:g} is needed here",
    "less_than_equal": "{le:g} or less is needed here",
    "too_short": "{min_length} or more items are needed here",
    "too_long": "{max_length} or fewer items are needed here",
}
"""The expected value, by pydantic's error type; the fields in braces are the limits in the error."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a recipe."""

    line: int
    key: str
    """Its position, such as ``drums.kick.hits``; empty for the whole recipe."""
    message: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        return f"line {self.line}: {self.key}: {self.message}" if self.key else f"line {self.line}: {self.message}"


def list_problems(model: type[BaseModel], tree: yaml.Node, error: ValidationError) -> list[Problem]:
    """Return the problems of a recipe in the order of lines; a mistake under a YAML anchor counts once."""
    problems = [_describe_error(model, tree, details) for details in error.errors()]
    unique = {(problem.line, problem.message): problem for problem in problems}
    return sorted(unique.values(), key=lambda problem: problem.line)


def describe_value(value: Any) -> str:
    """Return ", found VALUE" for a message, or nothing for a list or mapping, which would be too long."""
    if isinstance(value, (dict, list, tuple)):
        return ""
    return ", found nothing" if value is None else f", found {value!r}"


def _describe_error(model: type[BaseModel], tree: yaml.Node, error: Any) -> Problem:
    if error["type"] == "inconsistent":
        # A check of the whole recipe found it: the context names the key, because the location is the top. The key is
        # reported in full, as it may stand in the recipe that this one extends.
        key = error["ctx"]["key"]
        location = tuple(int(part) if part.isdecimal() else part for part in key.split("."))
        return Problem(find_line(tree, tuple(select_written(tree, location))), key, error["ctx"]["message"])
    position = tuple(select_written(tree, error["loc"]))
    return Problem(find_line(tree, position), ".".join(map(str, position)), _describe_cause(model, error))


def _describe_cause(model: type[BaseModel], error: Any) -> str:  # noqa: PLR0911 - one return per kind of error
    kind, value, last = error["type"], error["input"], error["loc"][-1] if error["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown key '{last}'{nearest(str(last), _find_known_keys(model, error['loc']))}"
    if kind == "missing":
        return f"item {last + 1} is missing" if isinstance(last, int) else f"the key '{last}' is missing"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _describe_choice(error["ctx"])
    if value is None and kind in _EMPTY_VALUE_HINTS:
        return f"the value is missing; {_EMPTY_VALUE_HINTS[kind]}"
    if kind in _EXPECTED:
        return _EXPECTED[kind].format(**error.get("ctx", {})) + describe_value(value)
    if kind == "string_pattern_mismatch":
        return f"{value!r} is not a valid name; a name has {NAME_IN_WORDS}"
    message = str(error["msg"].removeprefix("Value error, "))
    return message if repr(value) in message else message + describe_value(value)


def _describe_choice(context: Mapping[str, Any]) -> str:
    """Describe a key, such as ``effect``, that is missing or chooses something that does not exist."""
    key = str(context["discriminator"]).strip("'")
    known = list(EFFECTS) if key == "effect" else _QUOTED.findall(str(context.get("expected_tags", "")))
    name = str(context.get("tag", ""))
    found = f"unknown {key} '{name}'{nearest(name, known)}" if name else f"no `{key}:` key"
    return f"{found}; {key}s are {', '.join(known)}" if known else found


def _find_known_keys(base: type[BaseModel], location: Sequence[Key]) -> list[str]:
    """Return the keys that are allowed at the location of an unknown key, which is the last part."""
    *parents, unknown = location
    models = list(_list_models(base))
    named = [model for model in models if parents and parents[-1] in (model.__name__, *_effect_names(model))]
    direct = _follow_single_models(base, parents)
    candidates = [direct] if direct else named or models
    # The same key can be right elsewhere, as `effects`, but is no correction of itself.
    return sorted({key for model in candidates for key in model.model_fields} - {str(unknown)})


def _follow_single_models(base: type[BaseModel], location: Sequence[Key]) -> type[BaseModel] | None:
    """Return the model at a location, or None if a field on the way does not hold exactly one model."""
    for part in location:
        field = base.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return None
        base = field.annotation
    return base


def _effect_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names by which a key chooses a model, such as those of an effect."""
    fields = (model.model_fields.get(key) for key in ("effect", "system"))
    return tuple(name for field in fields if field for name in getattr(field.annotation, "__args__", ()))


def _list_models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the base and every class that a recipe can consist of."""
    pending: list[type[BaseModel]] = [Strict, base]
    seen: set[type[BaseModel]] = set()
    while pending:
        model = pending.pop()
        if model not in seen:
            seen.add(model)
            yield model
            pending += model.__subclasses__()
