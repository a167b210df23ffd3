"""One sound of a library: what a manifest says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rmod_pipeline.storage import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One audio file of a library, one row of its manifest."""

    id: str
    """Unique in the library, readable, made of the path: ``kick/audiophob/tom-0105``."""
    path: str
    """Relative to the manifest's folder, POSIX, never outside it."""
    kind: str
    """What it is: kick, snare, hihat, bass, piano, ... Kinds are open."""
    kit: str
    """The kit or pack it belongs to; empty if unknown."""
    group: str
    """Sounds that must stay on one side of a split share a group: a kit, or all copies of one sound."""
    split: str
    """train, valid or test."""
    licence: str
    """SPDX identifier or LicenseRef-...; empty if unknown."""
    source: str
    """Where it comes from, for attribution; empty if unknown."""
    sha256: str
    """Of the file's bytes."""
    sample_rate: int
    channels: int
    frames: int
    """At the file's own rate."""
    peak_dbfs: float
    rms_dbfs: float

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All sounds that a build may use."""

    assets: tuple[Asset, ...]
    """Sorted by id, so that a draw by position does not depend on the order of rows."""
    root: Location
    """The folder that the assets' paths are relative to."""
    manifest: Location
    """The file that the library was read from."""
    digest: str
    """SHA-256 over what decides the bytes of a build: id, kind, group, split, licence, source, sha256 of every row."""

    by_id: Mapping[str, Asset] = field(init=False, repr=False, compare=False)
    """Every asset by its id."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {asset.id: asset for asset in self.assets})

    def of(self, kind: str, split: str) -> tuple[Asset, ...]:
        """Return the assets of one kind on one side of the split, sorted by id."""
        return tuple(asset for asset in self.assets if asset.kind == kind and asset.split == split)

    def kinds(self) -> tuple[str, ...]:
        """Return the names of all kinds, sorted."""
        return tuple(sorted({asset.kind for asset in self.assets}))

    def path_of(self, asset: Asset) -> Location:
        """Return where the asset's file lies."""
        return self.root / asset.path
