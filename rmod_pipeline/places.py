"""Where things lie that are not the user's own: what comes with rmod, and what rmod can make again."""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def shipped(folder: str) -> Path:
    """Return the folder of that name that comes with rmod: in a checkout at its top, in a wheel inside the package."""
    inside = PACKAGE / "_data" / folder
    return inside if inside.is_dir() else PACKAGE.parent / folder


def cache_folder() -> Path:
    """Return the folder for what can be made again: the environment variable RMOD_CACHE, or the user's cache folder."""
    import platformdirs

    return Path(os.environ.get("RMOD_CACHE") or platformdirs.user_cache_dir("rmod"))
