"""The plain format: the data set and its papers, with nothing of any site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.releases.formats import ReleaseFormat, ReleaseRequest

if TYPE_CHECKING:
    from rmod_pipeline.releases.facts import ReleaseFacts


class Plain(ReleaseFormat):
    """A folder for a disk or a web server of one's own."""

    name = "plain"

    def check(self, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Refuse nothing: a disk takes any name and any number of files."""

    def write(self, folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Write nothing more: the core and the data card are all that it holds."""

    def next_command(self, request: ReleaseRequest) -> str:  # noqa: ARG002
        """Return no command: the folder is copied as it is."""
        return ""
