"""Checking a library: are the files there, are they the ones that were scanned, do the splits keep groups whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from hashlib import sha256

from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.near import Progress
from rmod_pipeline.library.read import read_bytes


def check_library(library: Library, progress: Progress | None = None) -> Iterator[str]:
    """Yield everything that is wrong with a library, a line each; nothing if all is well."""
    yield from _torn(library)
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


def _torn(library: Library) -> Iterator[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for asset in library.assets:
        splits[asset.group].add(asset.split)
    for group, sides in sorted(splits.items()):
        if len(sides) > 1:
            yield f"group {group} is in {' and '.join(sorted(sides))} -> move it whole, or give one part its own group"
