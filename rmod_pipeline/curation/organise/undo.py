"""Take away what organising placed: exactly the files of the table that are still as they were placed."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rmod_pipeline.curation.organise.records import PLACED, OrganisedFile
from rmod_pipeline.curation.organise.table import read_table
from rmod_pipeline.curation.organise.tree import lock_tree, remove_temporary_files
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.storage.publish import file_digest


@dataclass(slots=True, kw_only=True)
class UndoResult:
    """What an undo did, or would do. Paths are relative to the tree."""

    folder: Path
    """The tree."""
    is_dry_run: bool = False
    removed: list[str] = field(default_factory=list)
    """Files and links that were taken away."""
    gone: list[str] = field(default_factory=list)
    """Placed files that were no longer there."""
    changed: list[str] = field(default_factory=list)
    """Files that are no longer what was placed: they stay."""
    failed: list[tuple[str, str]] = field(default_factory=list)
    """Files that could not be looked at or taken away, with the reason."""

    @property
    def keeps_table(self) -> bool:
        """Whether the table stays, so that undo can be given again: after failures, and if it found no placed file.

        In a folder that holds none of its files, a table was probably moved there.
        """
        return bool(self.failed) or (bool(self.gone) and not self.removed and not self.changed)


def undo_table(table: Path, *, dry_run: bool = False, progress: ScanProgress | None = None) -> UndoResult:
    """Take away the placed files, then the folders that they leave empty, then the table.

    table: the ``organised.csv`` in a tree. dry_run: change nothing. Nothing outside of the tree is touched, and no
    file that has other bytes than were placed. Raises UsageError and ManifestError for a table of another kind.
    """
    rows = [row for row in read_table(table) if row.is_placed]
    root = Path(os.path.realpath(table.absolute().parent))
    result = UndoResult(folder=root, is_dry_run=dry_run)
    if dry_run:
        _take_away(rows, result, progress)
        return result
    with lock_tree(root):
        _take_away(rows, result, progress)
        remove_temporary_files(root)
        _remove_empty_folders(root, (row.new_path for row in rows))
        if not result.keeps_table:
            table.unlink()
    return result


def _take_away(rows: list[OrganisedFile], result: UndoResult, progress: ScanProgress | None) -> None:
    for done, row in enumerate(rows, start=1):
        try:
            _take_away_file(row, result)
        except OSError as error:
            result.failed.append((row.new_path, error.strerror or str(error)))
        if progress:
            progress("Undoing", done, len(rows))


def _take_away_file(row: OrganisedFile, result: UndoResult) -> None:
    """Take away the file of a row if it is still what was placed. Raises OSError."""
    path = result.folder / row.new_path
    if not os.path.lexists(path):
        result.gone.append(row.new_path)
    elif _is_as_placed(path, row):
        if not row.link and not os.path.lexists(Path(row.folder, row.old_path)):
            # The copy may be the last one of the sound.
            result.failed.append((row.new_path, f"its source {row.old_path} is gone: this copy is kept"))
            return
        if not result.is_dry_run:
            path.unlink()
        result.removed.append(row.new_path)
    elif row.action == PLACED:
        result.changed.append(row.new_path)
    else:
        result.gone.append(row.new_path)  # it was never placed, and something else lies there now


def _is_as_placed(path: Path, row: OrganisedFile) -> bool:
    """Return whether a file is what a row placed, and lies in the tree itself: no link leads to it. Raises OSError."""
    if os.path.realpath(path.parent) != str(path.parent):
        return False
    if path.is_symlink():
        return bool(row.link) and str(path.readlink()) == row.link
    return not row.link and path.is_file() and file_digest(path) == row.sha256


def _remove_empty_folders(root: Path, paths: Iterable[str]) -> None:
    """Remove the folders of files, the innermost first, as far as they are empty. The tree itself stays."""
    folders = {parent for path in paths for parent in PurePosixPath(path).parents if parent.parts}
    for folder in sorted(folders, key=lambda folder: (-len(folder.parts), folder)):
        path = root / folder
        with suppress(OSError):  # not empty, or gone
            if os.path.realpath(path) == str(path):  # a link may lead anywhere
                path.rmdir()
