"""A source and a tree on a disk, with files of any bytes: placing and undoing read no sound."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.curation.organise.apply import apply_plan
from rmod_pipeline.curation.organise.plan import make_plan
from rmod_pipeline.curation.organise.records import TABLE_NAME, Mode, OrganisedFile, SourceFacts
from rmod_pipeline.curation.organise.table import read_previous
from rmod_pipeline.curation.organise.tree import list_tree
from tests.curation.organise.organise_helpers import PATTERN, digest, facts, sound

KINDS = ("kick", "snare", "")


@dataclass
class World:
    """A source and a tree."""

    source: Path
    to: Path

    def add(self, path: str, content: bytes | str = b"") -> Path:
        """Write a file of the source; by default it holds its own path."""
        data = content.encode() if isinstance(content, str) else content
        file = self.source / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data or path.encode())
        return file

    def add_foreign(self, path: str, content: bytes = b"foreign") -> Path:
        """Write a file of the user into the tree, unless something lies there."""
        file = self.to / path
        if file.exists() or any(parent.is_file() for parent in file.parents):
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def facts(self) -> SourceFacts:
        """Return the facts of all files of the source; the kind of each depends on its bytes."""
        sounds = []
        for path in sorted(self.source.rglob("*")):
            if path.is_file():
                data = path.read_bytes()
                sha256, kind = digest(data), KINDS[len(data) % 3]
                name = path.relative_to(self.source).as_posix()
                sounds.append(sound(name, sha256=sha256, sound=sha256, kind=kind))
        return facts(sounds, folder=str(self.source))

    def organise(
        self, mode: Mode = "copy", progress: Callable[[str, int, int], None] | None = None
    ) -> tuple[OrganisedFile, ...]:
        """Organise all files of the source."""
        source = self.facts()
        self.to.mkdir(exist_ok=True)
        plan = make_plan(source, PATTERN, previous=read_previous(self.to), existing=list_tree(self.to))
        return apply_plan(plan.files, self.to, mode, progress)

    @property
    def table(self) -> Path:
        return self.to / TABLE_NAME

    @classmethod
    def at(cls, folder: Path) -> World:
        """Make an empty source in a folder, and no tree."""
        world = cls(folder.resolve() / "source", folder.resolve() / "tree")
        world.source.mkdir()
        return world


def change_row(row: OrganisedFile, **changes: str) -> OrganisedFile:
    """Return a row with other cells."""
    return OrganisedFile(**{**{name: getattr(row, name) for name in OrganisedFile.__dataclass_fields__}, **changes})
