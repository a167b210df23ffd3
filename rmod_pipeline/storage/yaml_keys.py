"""Read YAML in which no key stands twice, and describe what is wrong with other YAML."""

from __future__ import annotations

from typing import Any

import yaml

MERGE_TAG = "tag:yaml.org,2002:merge"
"""The tag of the key ``<<``, which may stand twice."""


class UniqueKeys:
    """What a loader of PyYAML inherits to refuse a key that appears twice; it would silently take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the content of a mapping. Raises ConstructorError for a key that appears twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != MERGE_TAG and key.value in seen:
                problem = f"the key '{key.value}' appears twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        content: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return content


def describe_yaml_error(error: yaml.YAMLError) -> str:
    """Return the line and the reason of an error: ``line 3: invalid YAML: the key 'a' appears twice``."""
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}: " if mark else ""
    reason = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{line}invalid YAML: {reason}"
