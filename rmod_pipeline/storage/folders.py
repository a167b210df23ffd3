"""Where things lie that are not the user's own: what comes with rmod, and what rmod can make again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol, TypeVar

from rmod_pipeline.errors import UsageError

PACKAGE = Path(__file__).resolve().parent.parent


class _PathLike(Protocol):
    def is_dir(self) -> bool: ...
    def is_file(self) -> bool: ...


AnyPath = TypeVar("AnyPath", bound=_PathLike)


def shipped(folder: str) -> Path:
    """Return the folder of that name that comes with rmod: in a checkout at its top, in a wheel inside the package."""
    inside = PACKAGE / "_data" / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def cache_folder() -> Path:
    """Return the folder for what can be made again: the environment variable RMOD_CACHE, or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("RMOD_CACHE") or platformdirs.user_cache_dir("rmod"))


def existing_file(path: AnyPath, hint: str) -> AnyPath:
    """Return the path if it is a readable file, else raise an error that carries the hint."""
    if path.is_dir():
        raise UsageError(path, "is a folder, a file is needed", hint)
    if not path.is_file():
        raise UsageError(path, "no such file", hint)
    return path
