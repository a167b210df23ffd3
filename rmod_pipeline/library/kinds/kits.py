"""Tell the kit of a file from the names of its folders."""

from __future__ import annotations

import re

from rmod_pipeline.library.kinds.folders import Folders, FolderTree
from rmod_pipeline.library.kinds.names import read_name

_SEPARATOR = re.compile(r"([\s_\-.()\[\]]+)")
_MAX_KIND_WORDS = 3


def kit_of(folders: Folders, tree: FolderTree) -> str:
    """Return the nearest folder that is not named after a kind, without the kind at the end of its name."""
    fallback = ""
    for depth in range(len(folders), 0, -1):
        path = folders[:depth]
        reading = read_name(path[-1])
        if tree.machine_of(path):
            return tree.machine_of(path)
        if reading.has_only_filler:
            continue
        # Acoustic, in a folder of kicks, sorts them once more: it is a kit only if there is no other.
        if not (reading.has_only_descriptors and any(map(_is_kind_folder, path[:-1]))):
            return _without_kind(path)
        fallback = fallback or path[-1].strip()
    return fallback


def pack_of(folders: Folders, tree: FolderTree) -> str:
    """Return the outermost folder that is not named after a kind, without the kind at the end of its name."""
    for depth, name in enumerate(folders, start=1):
        if not read_name(name).has_only_filler:
            return tree.machine_of(folders[:depth]) or _without_kind(folders[:depth])
    return ""


def _is_kind_folder(name: str) -> bool:
    reading = read_name(name)
    return bool(reading.kind or reading.codes) and reading.has_only_filler


def _without_kind(path: Folders) -> str:
    """Return a folder's name without a kind at its end: "TR-909 Kicks" and "TR-909 Snares" are one kit."""
    name = path[-1].strip()
    parts = _SEPARATOR.split(name)
    for size in range(2 * _MAX_KIND_WORDS - 1, 0, -2):
        rest = "".join(parts[: -size - 1])
        if rest and _is_kind("".join(parts[-size:]), rest) and _is_name(rest):
            return rest
    return name


def _is_kind(text: str, rest: str) -> bool:
    """Return whether the end of a folder's name is for a kind alone, after the rest of the name."""
    reading = read_name(text)
    if text[:1].isdecimal() or text[-1:].isdecimal() or not reading.has_only_descriptors:
        return False
    return bool(reading.kind or (reading.codes and read_name(rest).names_drum_kit))


def _is_name(rest: str) -> bool:
    reading = read_name(rest)
    return not reading.has_only_descriptors or bool(reading.numbers) or reading.names_drum_kit
