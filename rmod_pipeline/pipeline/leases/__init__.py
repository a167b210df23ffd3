"""Leases on shards: a file on a disk, an object on a store."""

from __future__ import annotations

from rmod_pipeline.pipeline.leases.base import Lease
from rmod_pipeline.pipeline.leases.file_lease import FileLease
from rmod_pipeline.pipeline.leases.object_lease import ObjectLease
from rmod_pipeline.storage import Location, StorePath


def lease_on(folder: Location, shard: str) -> Lease:
    """Return the lease on a shard, to be taken; ``folder`` is where a data set's leases are."""
    return ObjectLease(folder / shard) if isinstance(folder, StorePath) else FileLease(folder, shard)


def claimed_shards(folder: Location) -> set[str]:
    """Return the shards that somebody is making: only the leases that are there are looked at, on a store together."""
    names = [path.name for path in folder.glob("*") if not path.name.startswith(".")]
    if isinstance(folder, StorePath):
        folder = folder.with_prefetched([folder / name for name in names])
    return {name for name in names if lease_on(folder, name).held()}
