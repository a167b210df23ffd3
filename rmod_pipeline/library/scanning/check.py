"""Checking a library: are the files there, are they the ones that were scanned, do the splits keep groups whole."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.read import read_bytes
from rmod_pipeline.library.splits import MEND_GROUP, torn_groups


def check_library(library: Library, progress: ScanProgress | None = None) -> Iterator[str]:
    """Yield everything that is wrong with a library, a line each; nothing if all is well."""
    for group, sides in torn_groups(library):
        yield f"group {group} is in {sides} -> {MEND_GROUP}"
    for done, asset in enumerate(library.assets, start=1):
        path = library.path_of(asset)
        try:
            found = sha256(read_bytes(path)).hexdigest()
        except AssetError as error:
            yield f"{asset.path}: {error.found} -> {error.hint}"
        else:
            if found != asset.sha256:
                yield f"{asset.path}: changed since the scan -> put the old file back, or scan again with --previous"
        if progress:
            progress("Checking", done, len(library.assets))
