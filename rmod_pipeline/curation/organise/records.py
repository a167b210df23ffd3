"""What organising works with: facts about the files of a source, and rows about what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

TABLE_NAME = "organised.csv"
"""The file in the tree that says what became of every file."""

PLACED = "placed"
"""Action of a file that lies in the tree."""
TO_PLACE = "to place"
"""Action of a file that is still to be placed: in a dry run, and while a run is not finished."""
THERE = "there already"
"""Action of a file that the tree held with the same bytes before rmod came. Undo leaves it."""
SKIPPED = "skipped: "
"""Begins the action of a file that is not placed; the reason follows."""
COPY_OF = "copy of "
"""Begins the action of a copy of another sound; the path in the tree of the placed one follows."""

UNKNOWN = "unknown"
"""The folder of sounds without a certain kind, in the place of their kind."""
UNSORTED = "unsorted"
"""The folder of files that cannot be used, if they are kept."""

Mode = Literal["copy", "link", "hard link"]
"""How files are placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSound:
    """What is known of one usable sound."""

    path: str
    """POSIX path relative to the source."""
    sha256: str
    """Of the file's bytes."""
    sound: str
    """Name of the sound: the same for all copies of it, also at another level, rate, format or trim."""
    kind: str = ""
    """Class, such as hihat; empty if nothing says it with certainty."""
    subkind: str = ""
    """Part of the class, such as open; ``loop`` or ``roll`` for several hits; empty if unknown."""
    confidence: float | None = None
    """Probability of the kind that the classifier gives, 0..1; None if it was not asked or does not know."""
    kind_from: str = ""
    """What told the kind: name, ear, both or manifest; empty without a kind."""
    note: str = ""
    """What else a reader should know."""
    is_named: bool = False
    """Whether its own names or its row in a manifest say a kind."""
    kit: str = ""
    licence: str = ""
    source: str = ""
    """Origin, as in a manifest."""
    brightness: str = ""
    length: str = ""
    seconds: float = 0.0
    """From the onset to the end of the file."""
    sample_rate: int = 0
    """In Hz."""
    channels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLeftover:
    """One file of the source that is no usable sound."""

    path: str
    """POSIX path relative to the source."""
    reason: str
    is_audio: bool = False
    """Whether it may be kept among the unsorted: a file, no link, with a sound or what was to be one."""
    sha256: str = ""
    """Of its bytes if it is to be kept; else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """All files of a source."""

    folder: str
    """Real path of the folder that the files' paths are relative to."""
    sounds: tuple[SourceSound, ...] = ()
    leftovers: tuple[SourceLeftover, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisedFile:
    """One row of ``organised.csv``: what became of one file of a source."""

    old_path: str
    """POSIX path relative to ``folder``."""
    new_path: str = ""
    """POSIX path relative to the tree; empty for a file that is not placed."""
    kind: str = ""
    subkind: str = ""
    confidence: str = ""
    """0..1 with three decimals; empty without an answer of the classifier."""
    kind_from: str = ""
    brightness: str = ""
    length: str = ""
    sha256: str = ""
    """Of the bytes; empty for a file that was not read."""
    action: str
    """``placed``, ``to place``, ``there already``, ``copy of PATH`` or ``skipped: REASON``."""
    note: str = ""
    folder: str
    """Real path of the source."""
    link: str = ""
    """The text of the symbolic link that was placed; empty for a file."""

    @property
    def is_placed(self) -> bool:
        """Whether rmod placed the file, or had begun to: undo takes it away."""
        return self.action in (PLACED, TO_PLACE)

    @property
    def has_place(self) -> bool:
        """Whether the row speaks for a file in the tree."""
        return self.is_placed or self.action == THERE

    @property
    def is_copy(self) -> bool:
        """Whether the sound is in the tree under the name of another copy."""
        return self.action.startswith(COPY_OF)

    @property
    def reason(self) -> str:
        """Why the file is not in the tree; empty if it is."""
        return self.action.removeprefix(SKIPPED) if self.action.startswith(SKIPPED) else ""

    @property
    def identity(self) -> tuple[str, str, str]:
        """Folder, old path and bytes: what makes a file of a source the same in the next run."""
        return self.folder, self.old_path, self.sha256


class ExistingEntry(Protocol):
    """Something that lies in the tree."""

    @property
    def path(self) -> str:
        """POSIX path relative to the tree."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, and no link to one."""

    def holds(self, row: OrganisedFile) -> bool:
        """Return whether it is what this row places: a file with these bytes, or this link."""


Existing = Mapping[str, ExistingEntry]
"""What lies in the tree, by the key of its path (``naming.safe_names.path_key``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisePlan:
    """What becomes of every file."""

    files: tuple[OrganisedFile, ...]
    """Sorted by folder and old path; rows of earlier runs too."""
    changed: tuple[str, ...] = ()
    """Placed by an earlier run and changed since, as paths in the tree: they stay as they are."""
