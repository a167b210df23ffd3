"""Guess the kind, kit, licence and source of a sound from folder and file names.

The kinds and kits of all files of a scan are guessed together, because the names beside a file tell what a folder's
name is worth. A folder 808 with BD, SD and CP is a drum machine; one with nothing but numbers holds kicks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from rmod_pipeline.library.kinds.folders import Folders, FolderTree
from rmod_pipeline.library.kinds.kits import kit_of, pack_of
from rmod_pipeline.library.kinds.names import read_name
from rmod_pipeline.library.licence_names import guess_licence

_FREESOUND = re.compile(r"(?:^|__)(\d{2,8})__([^/]+?)__")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDescription:
    """Properties of a sound that are known before its audio is read; empty if unknown."""

    kind: str = ""
    kit: str = ""
    licence: str = ""
    source: str = ""
    several_hits: str = ""
    """The word in a name that says that the file holds several hits: loop, fill, roll; empty if there is none."""
    is_roll: bool = False
    """Whether that word is one for a roll or a flam."""
    kind_from: str = "name"
    """Where the kind is from: name, labels or ear."""
    confidence: float | None = None
    """Probability of the kind's class by ear; None if nobody listened."""
    ear_reason: str = ""
    """Why an ear gives the sound no kind; empty if it gives one, or if nobody listened."""


def describe_paths(paths: Iterable[PurePosixPath]) -> dict[PurePosixPath, PathDescription]:
    """Guess the properties of sounds from their paths relative to the scanned folder."""
    paths = list(paths)
    tree = FolderTree((path.parts[:-1], path.stem) for path in paths)
    return {path: _describe(path, tree) for path in paths}


def describe_path(path: PurePosixPath) -> PathDescription:
    """Guess the properties of a single sound from its path relative to the scanned folder."""
    return describe_paths([path])[path]


def _describe(path: PurePosixPath, tree: FolderTree) -> PathDescription:
    folders = path.parts[:-1]
    several_hits, is_roll = _find_several_hits(path.stem, folders)
    return PathDescription(
        kind=tree.kind_of(folders, path.stem),
        kit=kit_of(folders, tree),
        licence=guess_licence(str(path)),
        source=_guess_source(path.stem, folders, tree),
        several_hits=several_hits,
        is_roll=is_roll,
    )


def _find_several_hits(stem: str, folders: Sequence[str]) -> tuple[str, bool]:
    """Return the word that says that a file holds several hits, and whether it is one for a roll.

    The nearest name that says loop or one-shot decides. The title of a pack counts only if it ends with the word, as
    "Techno Drum Loops" does, and if no folder inside is named after a kind alone.
    """
    reading = read_name(stem)
    if reading.several_hits or reading.says_single_hit:
        return ("", False) if reading.says_single_hit else (reading.several_hits, reading.is_roll)
    is_in_kind_folder = False
    for folder in reversed(folders):
        reading = read_name(folder)
        if reading.several_hits and not reading.says_single_hit:
            if reading.has_only_descriptors or (reading.is_about_several_hits and not is_in_kind_folder):
                return reading.several_hits, reading.is_roll
        elif reading.says_single_hit and not reading.several_hits:
            return "", False
        is_in_kind_folder |= bool(reading.kind) and reading.has_only_filler
    return "", False


def _guess_source(stem: str, folders: Folders, tree: FolderTree) -> str:
    """Return the Freesound id and author if the file name has Freesound's form, else the outermost pack's name."""
    if match := _FREESOUND.search(stem):
        return f"freesound:{match[1]} by {match[2]}"
    return pack_of(folders, tree)
