"""List the formats of a release by name. A new format is a class in a module of its own and a line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.releases.formats import ReleaseFormat, ReleaseRequest

if TYPE_CHECKING:
    from pathlib import Path

    from rmod_pipeline.releases.facts import ReleaseFacts


class Plain(ReleaseFormat):
    """The data set and its papers with nothing of any site, for a disk or a web server of one's own."""

    name = "plain"

    def check(self, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Refuse nothing: a disk takes any name and any number of files."""

    def write(self, folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Write nothing: the files that all formats share are all that it holds."""

    def next_command(self, request: ReleaseRequest) -> str:  # noqa: ARG002
        """Return no command: the folder is copied as it is."""
        return ""


FORMAT_CLASSES = {
    "plain": "rmod_pipeline.releases.catalogue:Plain",
    "kaggle": "rmod_pipeline.releases.sites.kaggle:Kaggle",
    "huggingface": "rmod_pipeline.releases.sites.huggingface:HuggingFace",
}
"""Where the class of each format is. It is imported only for a release in that format."""


def open_format(name: str) -> ReleaseFormat:
    """Return the format of this name. Raises UsageError for an unknown one."""
    if name not in FORMAT_CLASSES:
        found = f"unknown '{name}'{nearest(name, FORMAT_CLASSES)}"
        raise UsageError("--format", found, f"choose {', '.join(FORMAT_CLASSES)}")
    module, _, class_name = FORMAT_CLASSES[name].partition(":")
    chosen: Any = getattr(import_module(module), class_name)
    opened: ReleaseFormat = chosen()
    return opened
