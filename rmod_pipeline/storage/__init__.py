"""Read and write data on local disks and on object stores.

A ``Location`` is a local ``pathlib.Path`` or a ``StorePath`` such as ``s3://bucket/data``. A ``StorePath`` has the
methods of a path that rmod needs (``/``, ``exists``, ``read_bytes``, ``glob``, ...), so readers of a data set treat
both alike. Writing differs: an object store cannot rename, so a file is finished on local disk and uploaded whole.

Every request to a store is retried with growing, random pauses before it fails with StoreError.
"""

from rmod_pipeline.storage.local_copies import fetch_to_cache, open_for_reading, read_from_cache, store_in_cache
from rmod_pipeline.storage.locations import (
    Location,
    expand_home,
    is_address,
    parse_local_path,
    parse_location,
    with_listing,
    with_prefetched,
    without_cache,
)
from rmod_pipeline.storage.requests import OutageError, StoreError
from rmod_pipeline.storage.store_path import ObjectStatus, StorePath

__all__ = [
    "Location",
    "ObjectStatus",
    "OutageError",
    "StoreError",
    "StorePath",
    "expand_home",
    "fetch_to_cache",
    "is_address",
    "open_for_reading",
    "parse_local_path",
    "parse_location",
    "read_from_cache",
    "store_in_cache",
    "with_listing",
    "with_prefetched",
    "without_cache",
]
