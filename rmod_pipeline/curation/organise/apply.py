"""Place the files of a plan in a tree: each one completely or not at all, and none in place of another.

The table is written before the first file, with the files that are still to be placed, and again at the end. So the
table of a run that was stopped, even by force, says everything that the tree may hold.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from rmod_pipeline.curation.organise.records import PLACED, SKIPPED, TABLE_NAME, TO_PLACE, Mode, OrganisedFile
from rmod_pipeline.curation.organise.table import OTHER_TO, read_previous, write_table
from rmod_pipeline.errors import AssetError, RmodError, UsageError
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.storage.writing import temporary_file, unwritable_error

log = logging.getLogger(__name__)

NOT_COPIED = "could not be placed: "
"""Begins the reason of a file that failed while it was placed."""

_CHUNK_BYTES = 1 << 20
_DISK_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors that every further file would get."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


def apply_plan(
    files: Sequence[OrganisedFile], to: Path, mode: Mode = "copy", progress: ScanProgress | None = None
) -> tuple[OrganisedFile, ...]:
    """Place the files that are still to be placed, write the table, and return its rows.

    to: real path of the tree, which exists and is locked. A file that cannot be placed becomes a skipped one. Raises
    UsageError if the disk is full or takes no links; the table is valid then too, and the same command continues.
    """
    rows = [_with_link(row, to, mode) for row in files]
    if rows != read_previous(to):
        write_table(to / TABLE_NAME, rows)
    waiting = [index for index, row in enumerate(rows) if row.action == TO_PLACE]
    try:
        placer = _Placer(to, mode)
        for done, index in enumerate(waiting, start=1):
            rows[index] = placer.place(rows[index])
            if progress:
                progress("Placing", done, len(waiting))
    except BaseException:
        with suppress(RmodError):  # the table that was written first is valid too
            write_table(to / TABLE_NAME, rows)
        raise
    if waiting:
        write_table(to / TABLE_NAME, rows)
    return tuple(rows)


class _Placer:
    """Places files in a tree."""

    def __init__(self, to: Path, mode: Mode) -> None:
        self._to, self._mode = to, mode
        self._checked: set[Path] = {to}

    def place(self, row: OrganisedFile) -> OrganisedFile:
        """Place one file and return its row: placed, or skipped with the reason. Raises UsageError for a bad disk."""
        source, target = Path(row.folder, row.old_path), self._to / row.new_path
        try:
            self._make_folders(target.parent)
            self._place(source, target, row)
        except AssetError as error:
            return self._skip(row, error.found)
        except FileExistsError:
            return self._skip(row, f"something else appeared at {row.new_path}: give the command again")
        except OSError as error:
            if error.errno in _DISK_ERRNOS:
                raise unwritable_error(target, error, OTHER_TO) from error
            return self._skip(row, error.strerror or str(error))
        return replace(row, action=PLACED)

    def _place(self, source: Path, target: Path, row: OrganisedFile) -> None:
        if self._mode == "link":
            with _explain_missing_links(self._to, "--links"):
                target.symlink_to(row.link)
        elif self._mode == "hard link":
            _check_bytes(source, row.sha256)
            with _explain_missing_links(self._to, "--hard-links"):
                os.link(os.path.realpath(source), target)
        else:
            _copy_new(source, target, row.sha256)

    def _make_folders(self, folder: Path) -> None:
        """Make a folder of the tree. Raises OSError if a file or a link is in the way: a link may lead anywhere."""
        if folder in self._checked:
            return
        self._make_folders(folder.parent)
        with suppress(FileExistsError):
            folder.mkdir()
        if not stat.S_ISDIR(folder.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is no folder")
        self._checked.add(folder)

    def _skip(self, row: OrganisedFile, reason: str) -> OrganisedFile:
        log.warning("%s could not be placed: %s", row.old_path, reason)
        return replace(row, action=f"{SKIPPED}{NOT_COPIED}{reason}", new_path="", link="")


def _with_link(row: OrganisedFile, to: Path, mode: Mode) -> OrganisedFile:
    """Return a row with the text of the link that is to be placed: relative, so that both folders can move together."""
    if row.action != TO_PLACE:
        return row
    if mode != "link":
        return replace(row, link="")
    target = to / row.new_path
    return replace(row, link=os.path.relpath(Path(row.folder, row.old_path), target.parent))


def _copy_new(source: Path, target: Path, sha256: str) -> None:
    """Copy a file with its modification time under a name that is free.

    Raises AssetError if the source cannot be read or has other bytes than were measured, and OSError for the target.
    """
    with temporary_file(target.with_name(f".rmod-organise-{secrets.token_hex(8)}.tmp")) as temporary:
        digest = hashlib.sha256()
        with temporary.open("xb") as file:
            for chunk in _read_chunks(source):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        _require_unchanged(source, digest.hexdigest(), sha256)
        _copy_time(source, temporary)
        _publish_new(temporary, target)


def _publish_new(temporary: Path, target: Path) -> None:
    """Give a finished file its name. Raises FileExistsError if the name is taken."""
    try:
        os.link(temporary, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links, such as FAT: another program may still write between check and rename.
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        temporary.rename(target)


def _read_chunks(source: Path) -> Iterator[bytes]:
    """Yield the bytes of a regular file. Raises AssetError if it cannot be read."""
    try:
        # Non-blocking: opening a named pipe would otherwise wait forever.
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise _unreadable(source, error) from error
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (a descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise AssetError(source, "not a regular file any more")
        while True:
            try:
                chunk = file.read(_CHUNK_BYTES)
            except OSError as error:
                raise _unreadable(source, error) from error
            if not chunk:
                return
            yield chunk


def _check_bytes(source: Path, sha256: str) -> None:
    digest = hashlib.sha256()
    for chunk in _read_chunks(source):
        digest.update(chunk)
    _require_unchanged(source, digest.hexdigest(), sha256)


def _require_unchanged(source: Path, found: str, expected: str) -> None:
    if found != expected:
        raise AssetError(source, "it changed while it was organised: give the command again")


def _unreadable(source: Path, error: OSError) -> AssetError:
    return AssetError(source, f"cannot be read: {error.strerror or error}")


def _copy_time(source: Path, copy: Path) -> None:
    with suppress(OSError):  # some file systems take no times
        status = source.stat()
        os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def _explain_missing_links(to: Path, flag: str) -> Iterator[None]:
    """Raise UsageError if the file system of the tree takes no links, or if source and tree lie on different ones."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EXDEV:
            found = "lies on another disk than the source, so its files cannot have hard links there"
            raise UsageError(to, found, f"leave out {flag}") from error
        if error.errno in _NO_LINKS:
            raise UsageError(to, f"its disk takes no such links: {error.strerror}", f"leave out {flag}") from error
        raise
