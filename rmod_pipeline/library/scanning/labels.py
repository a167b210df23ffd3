"""A labels file: a CSV with the columns path, kind, kit, licence and source, which knows better than names do."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from rmod_pipeline.errors import ManifestError
from rmod_pipeline.library.manifest import checked_kind, checked_path, read_rows
from rmod_pipeline.library.taxonomy import PathDescription
from rmod_pipeline.storage.folders import require_file

COLUMNS = ("path", "kind", "kit", "licence", "source")


class Labels:
    """What a labels file says, by file."""

    def __init__(self, path: Path, rows: dict[str, PathDescription]) -> None:
        self._path = path
        self._rows = rows
        self._used: set[str] = set()

    @classmethod
    def read(cls, path: Path) -> Labels:
        """Read a labels file; its paths are relative to it. Raises ManifestError with line and column."""
        require_file(path, f"a labels file is a CSV with the columns {','.join(COLUMNS)}")
        rows: dict[str, PathDescription] = {}
        lines: dict[str, int] = {}
        for row in read_rows(path, COLUMNS):
            key = _key(path.parent / checked_path(row))
            first = lines.setdefault(key, row.line)
            if first != row.line:
                raise row.error("path", f"{row.cells['path']!r} stands in line {first} already", "delete one of them")
            # No kind is allowed: then the names decide, as they do for files that are not listed.
            kind = checked_kind(row) if row.cells["kind"].strip() else ""
            kit, licence, source = (row.cells[name].strip() for name in ("kit", "licence", "source"))
            rows[key] = PathDescription(kind=kind, kit=kit, licence=licence, source=source)
        return cls(path, rows)

    def improve(self, path: Path, guess: PathDescription) -> PathDescription:
        """Return what is said of a file, where a cell is empty what was guessed from its names."""
        key = _key(path)
        if key not in self._rows:
            return guess
        self._used.add(key)
        said = self._rows[key]
        # A listed file's kit, licence and source are what the list says, even nothing: it was written with care.
        return replace(said, kind=said.kind or guess.kind)

    def check_used(self, folder: Path) -> None:
        """Raise ManifestError if no file that was asked for is listed: then the paths lead elsewhere."""
        if self._rows and not self._used:
            found = f"names no sound in {folder}; its first path leads to {next(iter(self._rows))}"
            raise ManifestError(self._path, found, "its paths are relative to itself: move it, or change them")

    def unused(self, folder: Path) -> list[str]:
        """Return the paths of listed files below a folder that no scan has asked for."""
        below = _key(folder) + os.sep
        return sorted(key for key in self._rows.keys() - self._used if key.startswith(below))


def _key(path: Path) -> str:
    """Return a file's name for comparison. macOS writes é as two characters, editors write one."""
    return unicodedata.normalize("NFC", os.path.join(_real(path.parent), path.name))  # noqa: PTH118  (for speed)


@lru_cache(maxsize=4096)
def _real(folder: Path) -> str:
    return os.path.realpath(folder)
