"""Parse YAML into a node tree, and find the lines at which its parts stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from rmod_pipeline.errors import RecipeError
from rmod_pipeline.storage.yaml_keys import MERGE_TAG, UniqueKeys, describe_yaml_error

Key = str | int
SourcePosition = tuple[Key, ...]
"""The position of a part in a YAML file: keys and list indices from the top."""


class _UniqueKeyLoader(UniqueKeys, yaml.SafeLoader):
    """A loader that refuses a key that appears twice."""


def parse_yaml(text: str, about: object, example: Path) -> tuple[yaml.Node, Any]:
    """Return the node tree of a YAML text and its content. Raises RecipeError.

    ``about`` names the text in errors; ``example`` names a valid recipe.
    """
    try:
        loader = _UniqueKeyLoader(text)
        try:
            tree = loader.get_single_node()
            if tree is None:
                raise RecipeError(about, "is empty", f"see {example} for a small recipe")
            return tree, loader.construct_document(tree)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise RecipeError(about, describe_yaml_error(error), "check indent and quotes") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise RecipeError(about, f"invalid YAML: {error}", "check indent, dates and nesting") from error


def find_line(tree: yaml.Node, position: SourcePosition) -> int:
    """Return the line number, from 1, of a part of the file, or of the nearest part above it."""
    node = tree
    line = tree.start_mark.line
    for key in position:
        parent, node = node, _find_child(node, key) or node
        line = node.start_mark.line
        if isinstance(parent, yaml.MappingNode):
            # Use the line of the key, because the value of a block mapping begins one line below.
            line = next((node_key.start_mark.line for node_key, _ in parent.value if node_key.value == str(key)), line)
    return int(line) + 1


def select_written(tree: yaml.Node, location: Sequence[Key]) -> Iterator[Key]:
    """Yield the parts of a pydantic error location that stand in the file; pydantic also names union members."""
    node: yaml.Node | None = tree
    tagged: yaml.Node | None = None
    for key in location:
        effect = _find_child(node, "effect")
        if isinstance(effect, yaml.ScalarNode) and effect.value == key and tagged is not node:
            tagged = node  # the name of the effect as a union member; a key such as `width` can follow
            continue
        child = _find_child(node, key)
        if child is not None:
            yield key
            node = child


def _find_child(node: yaml.Node | None, key: Key) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        value: yaml.Node
        for node_key, value in node.value:
            if node_key.value == str(key):
                return value
        return _find_merged_child(node, key)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item: yaml.Node = node.value[key]
        return item
    return None


def _find_merged_child(node: yaml.MappingNode, key: Key) -> yaml.Node | None:
    """Return the child from a mapping that the node merges in with ``<<``."""
    for node_key, value in node.value:
        if node_key.tag == MERGE_TAG:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                child = _find_child(merged, key)
                if child is not None:
                    return child
    return None
