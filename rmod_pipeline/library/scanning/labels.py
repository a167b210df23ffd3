"""Read a labels file: a CSV with the columns path, kind, kit, licence and source that overrides guesses from names."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from rmod_pipeline.errors import ManifestError
from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.kinds.names import suggest_kind
from rmod_pipeline.library.manifest import CsvRow, parse_kind, parse_licence_cell, parse_path, read_csv_rows
from rmod_pipeline.library.scanning.listening import LABELS
from rmod_pipeline.library.taxonomy import aliases
from rmod_pipeline.storage import expand_home
from rmod_pipeline.storage.folders import require_file

_RECIPE_DRUMS = frozenset({"kick", "snare", "hihat", "open_hihat"})
"""Kinds of which every other word in a labels file is taken for a misspelling; of others, words such as ride are kinds
of their own."""
LABEL_COLUMNS = ("path", "kind", "kit", "licence", "source")


class Labels:
    """The rows of a labels file by audio file."""

    def __init__(self, path: Path, rows: dict[str, PathDescription]) -> None:
        """Hold the rows of the labels file ``path``, by normalised absolute path."""
        self._path = path
        self._rows = rows
        self._used: set[str] = set()

    @classmethod
    def read(cls, path: Path) -> Labels:
        """Read a labels file, whose paths are relative to it. Raises ManifestError with line and column."""
        require_file(path, f"a labels file is a CSV with the columns {','.join(LABEL_COLUMNS)}")
        rows: dict[str, PathDescription] = {}
        first_lines: dict[str, int] = {}
        for row in read_csv_rows(path, LABEL_COLUMNS):
            key = _normalized_path(path.parent / _parse_label_path(row))
            first_line = first_lines.setdefault(key, row.line)
            if first_line != row.line:
                found = f"{row.cells['path']!r} is in line {first_line} already"
                raise row.error("path", found, "delete one of the two rows")
            # An empty kind is allowed: the kind is then guessed from names, as for unlisted files.
            kind = parse_kind(row) if row.cells["kind"].strip() else ""
            kit, source = (row.cells[name].strip() for name in ("kit", "source"))
            rows[key] = PathDescription(kind=kind, kit=kit, licence=parse_licence_cell(row), source=source)
        return cls(path, rows)

    def override(self, path: Path, guess: PathDescription) -> PathDescription:
        """Return the labels of a file, with the guessed kind if its kind is empty; the guess for an unlisted file.

        A listed kind outranks the word loop in a name, not the hits that are heard.
        """
        key = _normalized_path(path)
        if key not in self._rows:
            return guess
        self._used.add(key)
        label = self._rows[key]
        # Only the kind falls back to the guess: an empty kit, licence or source in the list is intended.
        several_hits = "" if label.kind else guess.several_hits
        return replace(
            label,
            kind=label.kind or guess.kind,
            kind_from=LABELS if label.kind else guess.kind_from,
            several_hits=several_hits,
            is_roll=guess.is_roll,
        )

    def check_used(self, folder: Path) -> None:
        """Raise ManifestError if no file of the scan is listed: the paths of the list are then wrong."""
        if self._rows and not self._used:
            found = f"names no sound in {folder}; its first path leads to {next(iter(self._rows))}"
            hint = "paths are relative to the labels file: move the file, or change its paths"
            raise ManifestError(self._path, found, hint)

    def misspelt_kinds(self) -> Iterator[tuple[str, int, str]]:
        """Yield each listed kind that is another spelling of one that recipes use, the number of files, and that kind.

        Words of their own, such as ride, are allowed: a recipe may use any kind.
        """
        for kind, count in sorted(Counter(row.kind for row in self._rows.values()).items()):
            known, says_nothing_else = suggest_kind(kind)
            is_spelling = known in _RECIPE_DRUMS or kind.replace("_", "").rstrip("s") == known.replace("_", "")
            if says_nothing_else and is_spelling and kind not in (known, *aliases()):
                yield kind, count, known

    def unused(self, folder: Path) -> list[str]:
        """Return the paths of listed files in a folder that the scan has not found."""
        prefix = _normalized_path(folder) + os.sep
        return sorted(key for key in self._rows.keys() - self._used if key.startswith(prefix))


def _parse_label_path(row: CsvRow) -> Path:
    """Return a row's path: below the home folder if it begins with ``~/``, else relative. Raises ManifestError."""
    text = row.cells["path"].strip()
    return expand_home(text) if text.startswith("~/") else Path(parse_path(row))


def _normalized_path(path: Path) -> str:
    """Return a path for comparison, with its folder's links resolved and in NFC: macOS stores é as two characters."""
    return unicodedata.normalize("NFC", os.path.join(_real_path(path.parent), path.name))  # noqa: PTH118  (for speed)


@lru_cache(maxsize=4096)
def _real_path(folder: Path) -> str:
    return os.path.realpath(folder)
