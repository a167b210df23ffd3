"""Keep the ids and splits of an earlier manifest when a folder is scanned again."""

from __future__ import annotations

import os
from pathlib import Path

from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.storage import Location


class PreviousManifest:
    """The rows of an earlier manifest, by the path and by the SHA-256 of a file."""

    def __init__(self, by_sha256: dict[str, Asset], by_path: dict[str, Asset]) -> None:
        """Hold the rows; the keys of ``by_path`` are real paths."""
        self._by_sha256, self._by_path = by_sha256, by_path

    @classmethod
    def empty(cls) -> PreviousManifest:
        """Return a manifest without rows."""
        return cls({}, {})

    @classmethod
    def read(cls, manifest: Path) -> PreviousManifest:
        """Read an earlier manifest. Raises the errors of ``load_library``."""
        library = load_library(manifest)
        by_sha256: dict[str, Asset] = {}
        for asset in library.assets:
            by_sha256.setdefault(asset.sha256, asset)
        return cls(by_sha256, {_real_path(library.path_of(asset)): asset for asset in library.assets})

    def find(self, path: Path) -> Asset | None:
        """Return the row of the file at a path."""
        return self._by_path.get(_real_path(path)) if self._by_path else None

    def split_of(self, path: Path, sha256: str) -> str:
        """Return the earlier split of a file, by its path, else by its bytes if it was moved; empty for a new file."""
        previous = self.find(path) or self._by_sha256.get(sha256)
        return previous.split if previous else ""


def _real_path(path: Location) -> str:
    return os.path.realpath(path) if isinstance(path, Path) else str(path)
