"""Places: a path on this machine, or the address of something on an object store (``s3://bucket/data``).

Local paths are pathlib's, as ever. An address is a ``StorePath``, which answers to the same few names (``/``,
``exists``, ``read_bytes``, ``glob``, ...), so that who reads a data set need not ask where it lies. What is written
differs: on a store nothing is renamed, so a file is finished on local disk and then put whole, by one ``upload``.

Every request is tried again, with growing and scattered pauses, before it fails with StoreError.
"""

from rmod_pipeline.storage.address import Place, afresh, ahead, is_address, listed, place
from rmod_pipeline.storage.copies import keep, kept_copy, opened, read_kept
from rmod_pipeline.storage.path import Status, StorePath
from rmod_pipeline.storage.requests import OutageError, StoreError

__all__ = [
    "OutageError",
    "Place",
    "Status",
    "StoreError",
    "StorePath",
    "afresh",
    "ahead",
    "is_address",
    "keep",
    "kept_copy",
    "listed",
    "opened",
    "place",
    "read_kept",
]
