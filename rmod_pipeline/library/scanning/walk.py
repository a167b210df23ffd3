"""Finding audio files below a folder: never out of it, never in circles, and never stopped by one bad entry."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.errors import UsageError

SUFFIXES = frozenset({".wav", ".wave", ".aif", ".aiff", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3"})


@dataclass(slots=True)
class FoundFile:
    """What lies below a folder."""

    files: list[Path] = field(default_factory=list)
    """Audio files by suffix, sorted."""
    dropped: list[tuple[Path, str]] = field(default_factory=list)
    """What might have been audio, and why it is not read."""
    ignored: int = 0
    """Files of other kinds, which are passed over in silence, as are hidden ones and what macOS leaves in archives."""


def find_audio(folder: Path, boundary: Path) -> FoundFile:
    """Return the audio files below a folder.

    A link to a file is taken if its target lies inside ``boundary`` and is not found by itself; a link to a folder is
    never followed. Raises UsageError if the folder itself cannot be read.
    """
    existing_folder(folder)
    result, links = FoundFile(), list[Path]()
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        except OSError as error:
            if here == folder:
                raise UsageError(folder, f"cannot be read: {error.strerror}", "check its permissions") from error
            result.dropped.append((here, f"folder cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            _sort_in(entry, result, links, waiting)
    _take_links(links, result, os.path.realpath(boundary))
    result.files.sort()
    return result


def existing_folder(path: Path) -> Path:
    """Return a path if a folder is there, else raise UsageError."""
    if not path.is_dir():
        found = "is a file, a folder is needed" if path.exists() else "no such folder"
        raise UsageError(path, found, "name the folder that holds the sounds")
    return path


def _sort_in(entry: os.DirEntry[str], result: FoundFile, links: list[Path], waiting: list[Path]) -> None:
    path = Path(entry.path)
    if entry.name.startswith(".") or entry.name == "__MACOSX":
        return
    if entry.is_symlink():
        if path.is_dir():
            result.dropped.append((path, "a link to a folder is not followed"))
        elif path.suffix.lower() in SUFFIXES:
            links.append(path)
    elif entry.is_dir(follow_symlinks=False):
        waiting.append(path)
    elif path.suffix.lower() not in SUFFIXES:
        result.ignored += 1
    elif not _is_text(entry.name) or not _is_text(entry.path):
        result.dropped.append((path, "the name is not UTF-8: rename it"))
    else:
        result.files.append(path)


def _take_links(links: list[Path], result: FoundFile, boundary: str) -> None:
    taken = {os.path.realpath(path) for path in result.files} if links else set()
    for path in sorted(links):
        target = os.path.realpath(path)
        if not Path(target).is_file():
            result.dropped.append((path, "a link to nothing"))
        elif os.path.commonpath([boundary, target]) != boundary:
            result.dropped.append((path, "a link that leaves the folder: copy the file here"))
        elif target in taken:
            result.dropped.append((path, "a link to a file that is read itself"))
        elif not _is_text(str(path)):
            result.dropped.append((path, "the name is not UTF-8: rename it"))
        else:
            taken.add(target)
            result.files.append(path)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
