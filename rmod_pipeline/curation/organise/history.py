"""Read from the rows of earlier runs, and from what lies in the tree, what still counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rmod_pipeline.curation.organise.naming.safe_names import path_key
from rmod_pipeline.curation.organise.records import PLACED, THERE, TO_PLACE, Existing, OrganisedFile

Identity = tuple[str, str, str]
"""Folder of the source, path in it and SHA-256 of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The rows of earlier runs that still count."""

    kept: Mapping[Identity, OrganisedFile]
    """Rows of files that the source still has: those keep their place."""
    others: tuple[OrganisedFile, ...]
    """All rows of other sources, and rows of placed files that this source no longer has."""
    others_by_sha256: Mapping[str, Sequence[OrganisedFile]]
    """The rows among the others that speak for a file in the tree."""
    changed: tuple[str, ...]
    """Paths in the tree of kept files that were changed after they were placed."""

    def find_place(self, sha256: str, existing: Existing) -> str:
        """Return the path of a file with these bytes that lies in the tree for another row; empty if there is none."""
        rows = self.others_by_sha256.get(sha256, ())
        return next((row.new_path for row in rows if _holds(existing, row)), "")


def read_history(
    previous: Sequence[OrganisedFile], folder: str, current: Iterable[Identity], existing: Existing
) -> History:
    """Return what still counts of the rows of earlier runs. ``current``: the files that the source has now."""
    identities = frozenset(current)
    kept: dict[Identity, OrganisedFile] = {}
    others, changed = [], []
    for row in previous:
        if row.folder != folder:
            others.append(row)
        elif row.identity in identities:
            renewed = _renew(row, existing)
            if renewed and row.identity not in kept:
                kept[row.identity] = renewed
                if renewed.action == PLACED and not _holds(existing, renewed):
                    changed.append(row.new_path)
        elif row.is_placed and _lies_there(existing, row):
            others.append(replace(row, action=PLACED))
    by_sha256: dict[str, list[OrganisedFile]] = {}
    for row in others:
        if row.has_place:
            by_sha256.setdefault(row.sha256, []).append(row)
    return History(kept=kept, others=tuple(others), others_by_sha256=by_sha256, changed=tuple(changed))


def _renew(row: OrganisedFile, existing: Existing) -> OrganisedFile | None:
    """Return the row of a file that the source still has, as it is now; None if the file needs a new place."""
    if not row.has_place:
        return None
    if _holds(existing, row):
        return replace(row, action=PLACED if row.is_placed else THERE)
    if not _lies_there(existing, row):
        return replace(row, action=TO_PLACE) if row.is_placed else None
    return row if row.action == PLACED else None


def _holds(existing: Existing, row: OrganisedFile) -> bool:
    entry = existing.get(path_key(row.new_path.split("/")))
    return entry is not None and entry.holds(row)


def _lies_there(existing: Existing, row: OrganisedFile) -> bool:
    return path_key(row.new_path.split("/")) in existing
