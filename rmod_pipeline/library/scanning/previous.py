"""The manifest of an earlier scan: what was on one side of the split stays there."""

from __future__ import annotations

import os
from pathlib import Path

from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.storage import Location


class Previous:
    """Old rows, found by what a file holds or by where it lies."""

    def __init__(self, rows: dict[str, Asset], by_path: dict[str, Asset]) -> None:
        self._by_bytes, self._by_path = rows, by_path

    @classmethod
    def none(cls) -> Previous:
        return cls({}, {})

    @classmethod
    def read(cls, manifest: Path) -> Previous:
        """Read an old manifest. Raises what ``load_library`` raises."""
        library = load_library(manifest)
        by_bytes: dict[str, Asset] = {}
        for asset in library.assets:
            by_bytes.setdefault(asset.sha256, asset)
        return cls(by_bytes, {_real(library.path_of(asset)): asset for asset in library.assets})

    def at(self, path: Path) -> Asset | None:
        """Return the row of the file at a path."""
        return self._by_path.get(_real(path)) if self._by_path else None

    def split_of(self, path: Path, sha256: str) -> str:
        """Return the split that a file had, by its path or else, if it was moved, by its bytes; empty if it is new."""
        old = self.at(path) or self._by_bytes.get(sha256)
        return old.split if old else ""


def _real(path: Location) -> str:
    return os.path.realpath(path) if isinstance(path, Path) else str(path)
