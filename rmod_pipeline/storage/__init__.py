"""Places: a path on this machine, or the address of something on an object store (``s3://bucket/data``).

Local paths are pathlib's, as ever. An address is a ``StorePath``, which answers to the same few names (``/``,
``exists``, ``read_bytes``, ``glob``, ...), so that who reads a data set need not ask where it lies. What is written
differs: on a store nothing is renamed, so a file is finished on local disk and then put whole, by one ``upload``.

Every request is tried again, with growing and scattered pauses, before it fails with StoreError.
"""

from rmod_pipeline.storage.local_copies import keep, kept_copy, opened, read_kept
from rmod_pipeline.storage.locations import (
    Location,
    is_address,
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
    "is_address",
    "keep",
    "kept_copy",
    "opened",
    "parse_location",
    "read_kept",
    "with_listing",
    "with_prefetched",
    "without_cache",
]
