"""What is known of a performance beside its notes: from the list of a data set of grooves, or from the path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rmod_pipeline.errors import ManifestError
from rmod_pipeline.library.kinds.describe import describe_path
from rmod_pipeline.library.manifest import MissingColumnError, read_csv_rows
from rmod_pipeline.library.taxonomy import GENERAL_MIDI, ROLAND_TD

INFO = "info.csv"
"""The list of the Groove MIDI Dataset, in its outermost folder."""
GROOVE_LICENCE = "CC-BY-4.0"
GROOVE_SOURCE = "https://magenta.tensorflow.org/datasets/groove by Google LLC"

_COLUMNS = ("drummer", "id", "style", "midi_filename", "split")
_SPLITS = {"train": "train", "validation": "valid", "valid": "valid", "test": "test"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceFacts:
    """What is known of a performance without its notes; empty if unknown."""

    performance: str = ""
    drummer: str = ""
    style: str = ""
    split_hint: str = ""
    licence: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class FolderFacts:
    """What is known of the performances of a folder."""

    listed: Mapping[str, PerformanceFacts] = field(default_factory=dict)
    """By path relative to the folder; empty for a folder without a list."""
    warnings: tuple[str, ...] = ()

    @property
    def drum_map(self) -> str:
        """The name of the map of the folder's files, as far as is known."""
        return ROLAND_TD if self.listed else GENERAL_MIDI

    def find(self, path: PurePosixPath) -> PerformanceFacts:
        """Return what is known of a file, by its path relative to the folder.

        A file that no list names is played by the person after whom the outermost folder is named.
        """
        if str(path) in self.listed:
            return self.listed[str(path)]
        drummer = path.parts[0] if len(path.parts) > 1 else ""
        return PerformanceFacts(drummer=drummer, licence=describe_path(path).licence)


def read_folder_facts(folder: Path) -> FolderFacts:
    """Read the list of a folder with the Groove MIDI Dataset. Without a list with its columns, nothing is known.

    A list that is damaged is a warning.
    """
    path = folder / INFO
    if not path.is_file():
        return FolderFacts()
    try:
        rows = list(read_csv_rows(path, _COLUMNS))
    except MissingColumnError:
        return FolderFacts()  # the list of something else
    except ManifestError as error:
        return FolderFacts(warnings=(f"{INFO} is not used: {error.found}",))
    listed = {}
    for row in rows:
        cells = {name: cell.strip() for name, cell in row.cells.items()}
        listed[cells["midi_filename"]] = PerformanceFacts(
            performance=cells["id"],
            drummer=cells["drummer"],
            style=cells["style"],
            split_hint=_SPLITS.get(cells["split"], ""),
            licence=GROOVE_LICENCE,
            source=GROOVE_SOURCE,
        )
    return FolderFacts(listed)
