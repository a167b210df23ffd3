"""Locate the files that come with rmod and the cache folder, and check that a file exists."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeVar

from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.locations import expand_home

PACKAGE = Path(__file__).resolve().parent.parent


class _PathLike(Protocol):
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...


AnyPath = TypeVar("AnyPath", bound=_PathLike)


def shipped_folder(name: str) -> Path:
    """Return the folder of this name that comes with rmod: beside the package in a checkout, inside it in a wheel."""
    inside = PACKAGE / "_data" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def cache_folder() -> Path:
    """Return the folder for files that rmod can make again: RMOD_CACHE if it is set, else the user's cache folder."""
    import platformdirs

    return expand_home(os.environ.get("RMOD_CACHE") or platformdirs.user_cache_dir("rmod"))


def require_file(path: AnyPath, hint: str) -> AnyPath:
    """Return the path if it is a file. Raises UsageError with the hint if it is not."""
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:  # a folder without permission, a name that is too long
        raise UsageError(path, f"cannot be read: {error.strerror or error}", hint) from error
    if is_folder:
        raise UsageError(path, "is a folder, a file is needed", hint)
    if not is_file:
        raise UsageError(path, "no such file", hint)
    return path
