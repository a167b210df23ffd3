"""Turn errors of the disk into errors of rmod, and remove temporary files without hiding an earlier error."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from rmod_pipeline.errors import RmodError, UsageError

OTHER_OUT = "choose another --out"
OTHER_CACHE = "let the environment variable RMOD_CACHE name a folder that you can write to"

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
LOCAL_DISK_ERRNOS = (*_FULL_DISK, errno.EROFS, errno.EFBIG)
"""Errors of a disk that only a write can get."""


def unwritable_error(
    path: object, error: OSError, hint: str = OTHER_OUT, kind: type[RmodError] = UsageError
) -> RmodError:
    """Return the error for a path that cannot be written: it gives the path, the reason and the remedy."""
    remedy = f"free space, or {hint}" if error.errno in _FULL_DISK else hint
    return kind(path, f"cannot be written: {error.strerror or error}", remedy)


@contextmanager
def report_unwritable(path: object, hint: str = OTHER_OUT, kind: type[RmodError] = UsageError) -> Iterator[None]:
    """Turn an OSError into an error of rmod that gives the path, the reason and the remedy."""
    try:
        yield
    except OSError as error:
        raise unwritable_error(path, error, hint, kind) from error


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Yield a path, and remove its file afterwards. A failed removal is ignored, so that it hides no other error."""
    try:
        yield path
    finally:
        remove_quietly(path)


def remove_quietly(path: Path) -> None:
    """Remove a file if that is possible: a temporary file that stays is better than a hidden error."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all, in place of an existing one. Raises OSError."""
    write_texts(path, [text])


def write_texts(path: Path, texts: Iterable[str], newline: str | None = None) -> None:
    """Write the pieces of a text like ``write_text``; ``newline`` is that of ``open``.

    A device or a pipe such as ``/dev/stdout`` is written directly, because it cannot be replaced.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline=newline) as file:
            for text in texts:
                file.write(text)
        return
    final = path.resolve()  # a symbolic link stays a link
    with temporary_file(final.with_name(f".{uuid4().hex}.tmp")) as temporary:
        with temporary.open("w", encoding="utf-8", newline=newline) as file:
            for text in texts:
                file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)


def check_writable_folder(folder: Path, hint: str = OTHER_OUT, kind: type[RmodError] = UsageError) -> None:
    """Raise an error of rmod unless files can be written to a folder, or the folder can be made. Makes no folder."""
    with report_unwritable(folder, hint, kind):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with temporary_file(existing / f".rmod-{uuid4().hex[:8]}.tmp") as probe:
            probe.write_bytes(b"rmod")


def check_writable_file(path: Path, hint: str = OTHER_OUT, kind: type[RmodError] = UsageError) -> None:
    """Raise an error of rmod unless this path can become a file, or is one that can be replaced."""
    with report_unwritable(path, hint, kind):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        is_special = path.exists() and not path.is_file()
        if is_special:
            return
        existing = next(parent for parent in path.absolute().parents if parent.exists())
        with temporary_file(existing / f".rmod-{uuid4().hex[:8]}.tmp") as probe:
            probe.write_bytes(b"rmod")
