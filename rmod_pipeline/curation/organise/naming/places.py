"""Give every file a path of its own in the tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from rmod_pipeline.curation.organise.naming.safe_names import name_key, path_key, safe_file_name
from rmod_pipeline.curation.organise.records import TABLE_NAME, THERE, Existing, OrganisedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A file that needs a path."""

    row: OrganisedFile
    folders: tuple[str, ...]
    """Names that every system takes."""
    stem: str
    """File name without suffix, as it is."""
    suffix: str
    """With its dot; may be empty."""


def assign_places(claims: Sequence[Claim], held: Sequence[OrganisedFile], existing: Existing) -> list[OrganisedFile]:
    """Return the rows of claims with their paths, in order.

    held: rows whose paths are not free. existing: what lies in the tree. A file that lies at its path already with the
    same bytes is there. Of several files that claim one path the first gets it. The others get a number that makes no
    name of another file: ``kick-2.wav``.
    """
    paths = _Paths(existing=existing, taken={name_key(TABLE_NAME), *(_key(row.new_path) for row in held)})
    for row in held:
        paths.add_folders(row.new_path)
    folders = [paths.find_folder(claim.folders) for claim in claims]
    rows = [paths.take(claim, folder, 1) for claim, folder in zip(claims, folders, strict=True)]
    numbers: dict[str, int] = {}
    for index, claim in enumerate(claims):
        if rows[index] is None:
            base = f"{_key(folders[index])}/{name_key(claim.stem + claim.suffix)}"
            rows[index], numbers[base] = paths.take_numbered(claim, folders[index], numbers.get(base, 2))
    return [row for row in rows if row is not None]


@dataclass(slots=True, kw_only=True)
class _Paths:
    """Which paths of the tree are free. Folders are given as POSIX paths, the tree itself as an empty one."""

    existing: Existing
    taken: set[str]
    """Keys of files."""
    folders: dict[str, str] = field(default_factory=dict)
    """The folder that stands for each key of a wanted one, with its spelling."""
    folder_keys: set[str] = field(default_factory=set)
    """Keys of all folders that hold a file."""

    def add_folders(self, path: str) -> None:
        """Note the folders of a file that has a place, so that others use their spelling."""
        names = path.split("/")[:-1]
        for depth in range(1, len(names) + 1):
            key = path_key(names[:depth])
            self.folders.setdefault(key, "/".join(names[:depth]))
            self.folder_keys.add(key)

    def find_folder(self, names: Sequence[str]) -> str:
        """Return the folder for names: one that differs in capitals alone, or with a number if a file is in the way."""
        folder = ""
        for name in names:
            key = _key(_join(folder, name))
            if key not in self.folders:
                self.folders[key] = self._spell(folder, name)
            folder = self.folders[key]
        return folder

    def take(self, claim: Claim, folder: str, number: int) -> OrganisedFile | None:
        """Take the path with a number and return the row with it; None if it is not free."""
        path = _join(folder, safe_file_name(claim.stem, claim.suffix, number))
        key = _key(path)
        row = replace(claim.row, new_path=path)
        entry = self.existing.get(key)
        is_there = entry is not None and entry.holds(row)
        if key in self.taken or key in self.folder_keys or (entry is not None and not is_there):
            return None
        self.taken.add(key)
        return replace(row, action=THERE) if is_there else row

    def take_numbered(self, claim: Claim, folder: str, start: int) -> tuple[OrganisedFile, int]:
        """Take the first free path with a number from ``start`` on; return the row and the number after it."""
        numbered = ((self.take(claim, folder, number), number) for number in count(start))
        return next((row, number + 1) for row, number in numbered if row is not None)

    def _spell(self, folder: str, name: str) -> str:
        """Return the folder of this name in a folder: as it is spelled in the tree, or numbered if a file has it."""
        for number in count(1):
            path = _join(folder, name if number == 1 else safe_file_name(name, "", number))
            key = _key(path)
            entry = self.existing.get(key)
            if key not in self.taken and (entry is None or entry.is_folder):
                self.folder_keys.add(key)
                return entry.path if entry else path
        raise AssertionError("numbers do not end")


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _key(path: str) -> str:
    return path_key(path.split("/"))
