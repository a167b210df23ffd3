"""Records of a sound library: one audio file (Asset) and all files of a manifest (Library)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One audio file of a library, which is one row of its manifest."""

    id: str
    """Unique in the library, readable, derived from the path: ``kick/audiophob/tom-0105``."""
    path: str
    """POSIX path relative to the library's root; never outside it."""
    kind: str
    """Sound class: kick, snare, hihat, bass, piano, ... Any name is allowed."""
    kit: str
    """Kit or pack that the sound belongs to; empty if unknown."""
    group: str
    """Sounds that must stay in one split share a group: a kit, or all copies of one sound."""
    split: str
    """Split: train, valid or test."""
    licence: str
    """SPDX identifier or LicenseRef-...; empty if unknown."""
    source: str
    """Origin, for attribution; empty if unknown."""
    sha256: str
    """SHA-256 of the file's bytes, hexadecimal."""
    sample_rate: int
    """Of the file, in Hz."""
    channels: int
    frames: int
    """At the file's sample rate."""
    peak_dbfs: float
    rms_dbfs: float
    kind_from: str = ""
    """Where the kind is from, if a scan has listened: name, labels or ear."""
    confidence: float | None = None
    """Probability of the kind's class by ear; None if nobody listened."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All sounds that a build may use."""

    assets: tuple[Asset, ...]
    """Sorted by id, so that a draw by position does not depend on the order of the rows."""
    root: Location
    """Folder that the assets' paths are relative to."""
    manifest: Location
    """File that the library was read from."""
    digest: str
    """SHA-256 over the columns that decide the bytes of a build: id, kind, group, split, licence, source, sha256."""

    by_id: Mapping[str, Asset] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the assets by id."""
        object.__setattr__(self, "by_id", {asset.id: asset for asset in self.assets})

    def select(self, kind: str, split: str) -> tuple[Asset, ...]:
        """Return the assets of one kind in one split, sorted by id."""
        return tuple(asset for asset in self.assets if asset.kind == kind and asset.split == split)

    def kinds(self) -> tuple[str, ...]:
        """Return the names of all kinds, sorted."""
        return tuple(sorted({asset.kind for asset in self.assets}))

    def path_of(self, asset: Asset) -> Location:
        """Return the location of the asset's file."""
        return self.root / asset.path
