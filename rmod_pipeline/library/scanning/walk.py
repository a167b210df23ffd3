"""Find the audio files in a folder, without leaving it, following link cycles, or failing on unreadable entries."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.scanning.formats import NOT_AUDIO, NOT_MIDI, NOT_REGULAR, find_reason_to_skip

HIDDEN = "hidden"


@dataclass(slots=True)
class FolderContents:
    """The files of a folder and its subfolders."""

    files: list[Path] = field(default_factory=list)
    """Audio files by suffix or content, sorted."""
    dropped: list[tuple[Path, str]] = field(default_factory=list)
    """Entries that cannot be read as audio files, with the reason."""
    ignored: list[tuple[Path, str]] = field(default_factory=list)
    """Files that are not audio, and hidden files and folders, with the reason. What is in a hidden folder is not
    listed."""


@dataclass(frozen=True, slots=True)
class ScanPaths:
    """The scanned folder, and the root that paths in the manifest are relative to; both are real paths."""

    folder: Path
    root: Path

    @classmethod
    def of(cls, folder: Path, manifest: Path) -> ScanPaths:
        """Use the manifest's folder as root if it contains the scanned folder, else the scanned folder."""
        scanned = Path(os.path.realpath(require_folder(folder)))
        manifest_folder = Path(os.path.realpath(manifest.absolute().parent))
        return cls(scanned, manifest_folder if scanned.is_relative_to(manifest_folder) else scanned)

    def name(self, path: Path) -> str:
        """Return a path relative to the root, POSIX."""
        return path.relative_to(self.root).as_posix()

    def root_relative_to(self, manifest: Path) -> str:
        """Return the root relative to the manifest's folder, POSIX."""
        return Path(os.path.relpath(self.root, os.path.realpath(manifest.absolute().parent))).as_posix()


ReasonToSkip = Callable[[Path], str]
"""Returns why a file is not read; empty if it is."""


def find_audio_files(folder: Path, boundary: Path) -> FolderContents:
    """Return the audio files in a folder and its subfolders, as ``find_files`` does."""
    return find_files(folder, boundary, find_reason_to_skip)


def find_files(folder: Path, boundary: Path, reason_to_skip: ReasonToSkip) -> FolderContents:
    """Return the files in a folder and its subfolders for which there is no reason to skip them.

    A link to a file is used if its target is inside ``boundary`` and not found otherwise; links to folders are not
    followed. Raises UsageError if the folder itself cannot be read.
    """
    require_folder(folder)
    contents, links = FolderContents(), list[Path]()
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError as error:
            if current == folder:
                raise UsageError(folder, f"cannot be read: {error.strerror}", "check its permissions") from error
            contents.dropped.append((current, f"folder cannot be read: {error.strerror}"))
            continue
        for entry in entries:
            _classify_entry(entry, contents, links, pending, reason_to_skip)
    _resolve_links(links, contents, os.path.realpath(boundary))
    contents.files.sort()
    return contents


def require_folder(path: Path) -> Path:
    """Return a path if it is a folder, else raise UsageError."""
    if not path.is_dir():
        found = "is a file, a folder is needed" if path.exists() else "no such folder"
        raise UsageError(path, found, "name the folder that holds the sounds")
    return path


def _classify_entry(
    entry: os.DirEntry[str],
    contents: FolderContents,
    links: list[Path],
    pending: list[Path],
    reason_to_skip: ReasonToSkip,
) -> None:
    """Add an entry to the files, the dropped or ignored entries, the links or the pending folders."""
    path = Path(entry.path)
    if entry.name.startswith(".") or entry.name == "__MACOSX":
        contents.ignored.append((path, HIDDEN))
    elif entry.is_symlink() and path.is_dir():
        contents.dropped.append((path, "a link to a folder is not followed"))
    elif entry.is_dir(follow_symlinks=False):
        pending.append(path)
    elif reason := reason_to_skip(path):
        is_ignored = reason in (NOT_AUDIO, NOT_MIDI, NOT_REGULAR)
        (contents.ignored if is_ignored else contents.dropped).append((path, reason))
    elif entry.is_symlink():
        links.append(path)
    elif not _is_utf8(entry.name) or not _is_utf8(entry.path):
        contents.dropped.append((path, "the name is not UTF-8: rename it"))
    else:
        contents.files.append(path)


def _resolve_links(links: list[Path], contents: FolderContents, boundary: str) -> None:
    """Add the links whose target is inside the boundary (a real path) and not among the files already."""
    used_targets = {os.path.realpath(path) for path in contents.files} if links else set()
    for path in sorted(links):
        target = os.path.realpath(path)
        if not Path(target).is_file():
            contents.dropped.append((path, "a link to nothing"))
        elif os.path.commonpath([boundary, target]) != boundary:
            contents.dropped.append((path, "a link that leaves the folder: copy the file here"))
        elif target in used_targets:
            contents.dropped.append((path, "a link to a file that is read itself"))
        elif not _is_utf8(str(path)):
            contents.dropped.append((path, "the name is not UTF-8: rename it"))
        else:
            used_targets.add(target)
            contents.files.append(path)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
