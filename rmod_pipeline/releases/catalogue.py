"""List the formats of a release by name. A new format is a class in a module of its own and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.releases.formats import ReleaseFormat

FORMAT_CLASSES = {
    "plain": "rmod_pipeline.releases.plain:Plain",
    "kaggle": "rmod_pipeline.releases.kaggle:Kaggle",
    "huggingface": "rmod_pipeline.releases.huggingface:HuggingFace",
}
"""Where the class of each format is. It is imported only for a release in that format."""


def open_format(name: str) -> ReleaseFormat:
    """Return the format of this name. Raises UsageError for an unknown one."""
    if name not in FORMAT_CLASSES:
        raise UsageError(
            "--format", f"unknown '{name}'{nearest(name, FORMAT_CLASSES)}", f"choose {', '.join(FORMAT_CLASSES)}"
        )
    module, _, class_name = FORMAT_CLASSES[name].partition(":")
    chosen: Any = getattr(import_module(module), class_name)
    opened: ReleaseFormat = chosen()
    return opened
