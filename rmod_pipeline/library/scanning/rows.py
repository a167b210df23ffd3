"""Make the rows of a manifest from the files that a scan keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from rmod_pipeline.library.asset import Asset
from rmod_pipeline.library.kinds.describe import PathDescription
from rmod_pipeline.library.scanning.measure import MeasuredFile
from rmod_pipeline.library.scanning.previous import PreviousManifest
from rmod_pipeline.library.splits import SplitAssignment


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that is used."""

    path: Path
    name: str
    """POSIX path relative to the root."""
    description: PathDescription
    measured: MeasuredFile


def make_assets(
    kept: list[KeptFile], assignment: SplitAssignment, previous: PreviousManifest, listened: bool = False
) -> list[Asset]:
    """Return one row per file, with the ids of an earlier manifest for the files that it lists.

    ``listened``: the kinds were heard too, so each row says where its kind is from.
    """
    ids = _make_ids(kept, previous)
    return [
        Asset(
            id=ids[file.name],
            path=file.name,
            kind=file.description.kind,
            kit=file.description.kit,
            group=assignment.group[file.name],
            split=assignment.split[file.name],
            licence=file.description.licence,
            source=file.description.source,
            sha256=file.measured.sha256,
            sample_rate=file.measured.sample_rate,
            channels=file.measured.channels,
            frames=file.measured.frames,
            peak_dbfs=file.measured.peak_dbfs,
            rms_dbfs=file.measured.rms_dbfs,
            kind_from=file.description.kind_from if listened else "",
            confidence=file.description.confidence,
        )
        for file in kept
    ]


def _make_ids(kept: list[KeptFile], previous: PreviousManifest) -> dict[str, str]:
    """Return an id for each name: the previous one if any, else a plain form of the path, made unique by a hash."""
    ids = {file.name: row.id for file in kept if (row := previous.find(file.path))}
    used = set(ids.values())
    for file in kept:
        if file.name in ids:
            continue
        plain = _to_plain_id(file.name)
        if plain in used:
            plain = f"{plain}-{sha256(file.name.encode()).hexdigest()[:8]}"
        ids[file.name] = plain
        used.add(plain)
    return ids


def _to_plain_id(name: str) -> str:
    """Return a path without suffix, in small letters, with hyphens for everything but letters and digits."""
    parts = (re.sub(r"[\W_]+", "-", part).strip("-").lower() for part in PurePosixPath(name).with_suffix("").parts)
    return "/".join(part for part in parts if part) or "sound"
