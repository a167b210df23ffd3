"""Look at the folder that a tidy tree is made in: what lies there, whether it may be used, whether there is room."""

from __future__ import annotations

import errno
import fcntl
import math
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rmod_pipeline.curation.organise.naming.safe_names import path_key
from rmod_pipeline.curation.organise.records import TO_PLACE, OrganisedFile
from rmod_pipeline.curation.organise.table import OTHER_TO
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.publish import file_digest
from rmod_pipeline.storage.writing import remove_quietly

TEMPORARY = re.compile(r"\.rmod-organise-[0-9a-f]{16}\.tmp")
"""The name of a file that is being copied."""

_BLOCK_BYTES = 4096
"""A file takes whole blocks of a disk."""
_BYTES_PER_ROW = 600
"""Of the table."""


@dataclass(slots=True, kw_only=True)
class TreeEntry:
    """Something that lies in the tree. Its bytes are read when they matter, once."""

    root: Path
    path: str
    """POSIX path relative to the tree."""
    is_folder: bool
    _sha256: str | None = field(default=None, repr=False)

    def holds(self, row: OrganisedFile) -> bool:
        """Return whether it is what a row places: a file with these bytes, or this link, if it leads to a file.

        A file that cannot be read is not.
        """
        path = self.root / self.path
        if self.is_folder or path.is_symlink():
            return bool(row.link) and path.is_symlink() and str(path.readlink()) == row.link and path.is_file()
        if row.link:
            return False
        if self._sha256 is None:
            self._sha256 = hash_file(path)
        return self._sha256 == row.sha256


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a regular file; empty for anything else, and for a file that cannot be read."""
    try:
        # A named pipe would be waited for.
        return file_digest(path) if stat.S_ISREG(path.lstat().st_mode) else ""
    except OSError:
        return ""


def list_tree(root: Path) -> dict[str, TreeEntry]:
    """Return what lies in a tree, by the key of its path; links are not followed. Empty if there is no such folder.

    Raises UsageError if a folder of it cannot be read.
    """
    entries: dict[str, TreeEntry] = {}
    for folder, folders, files in os.walk(root, onerror=_refuse_unreadable):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = Path(folder, name)
            relative = path.relative_to(root)
            entry = TreeEntry(root=root, path=relative.as_posix(), is_folder=path.is_dir() and not path.is_symlink())
            entries.setdefault(path_key(relative.parts), entry)
    return entries


def remove_temporary_files(root: Path) -> None:
    """Remove what a run that was killed left half copied. Call it only while no other run works in the tree."""
    for folder, _, files in os.walk(root):
        for name in files:
            if TEMPORARY.fullmatch(name):
                remove_quietly(Path(folder, name))


def check_apart(source: Path, to: Path, about: object) -> None:
    """Raise UsageError unless source and tree, both real paths, lie apart: neither may hold the other."""
    if to == source or to.is_relative_to(source):
        found = "is the source itself" if to == source else f"lies in the source {source}"
        raise UsageError(about, found, "choose a --to outside of the source, which is never written to")
    if source.is_relative_to(to):
        raise UsageError(
            about, f"holds the source {source}", "choose a --to outside of the source, such as a folder beside it"
        )


def check_copy_space(files: Iterable[OrganisedFile], to: Path) -> None:
    """Raise UsageError if the files that are to be placed do not fit on the disk of the tree, which exists."""
    needed = 0
    for file in files:
        if file.action == TO_PLACE:
            needed += _BYTES_PER_ROW + math.ceil(_size(Path(file.folder, file.old_path)) / _BLOCK_BYTES) * _BLOCK_BYTES
    free = shutil.disk_usage(to).free
    if needed > free:
        found = f"{needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free"
        raise UsageError(to, found, f"free space, {OTHER_TO}, or place links: --links")


@contextmanager
def lock_tree(root: Path) -> Iterator[None]:
    """Keep other runs out of a tree, which exists. Raises UsageError if one works in it.

    The lock is on the folder itself, so no file is made. A file system without locks has none.
    """
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(root, "another run works in it", "wait until it ends") from error
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL):
                raise
        yield
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it will not be copied


def _refuse_unreadable(error: OSError) -> None:
    if error.errno != errno.ENOENT:
        raise UsageError(error.filename, f"cannot be read: {error.strerror}", f"check its permissions, or {OTHER_TO}")
