"""Lease shards to runs, as files on a disk or objects on a store, so that runs on one data set share its shards."""

from __future__ import annotations

from rmod_pipeline.pipeline.leases.base import Lease
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.leases.object_lease import ObjectLease
from rmod_pipeline.storage import Location, StorePath


def make_lease(folder: Location, shard: str) -> Lease:
    """Return a lease on a shard, not yet acquired. ``folder`` is the folder of leases of a data set."""
    return ObjectLease(folder / shard) if isinstance(folder, StorePath) else FileLease(folder, shard)


def leased_shards(folder: Location) -> set[str]:
    """Return the names of the shards that a run works on. Reads existing leases only, those on a store in parallel."""
    names = [path.name for path in folder.glob("*") if not path.name.startswith(".")]
    if isinstance(folder, StorePath):
        folder = folder.with_prefetched([folder / name for name in names])
    return {name for name in names if make_lease(folder, name).is_held()}
