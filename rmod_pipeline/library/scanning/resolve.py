"""Open a library by name, by manifest, or by folder."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import BUILTIN, load_library
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.report import describe_unused, report_path
from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
from rmod_pipeline.storage import Location, parse_location
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.process_identity import available_cores
from rmod_pipeline.storage.writing import OTHER_CACHE, report_unwritable, unwritable_error

log = logging.getLogger(__name__)

MAX_PROCESSES = 8
"""Limit for the built-in kit: starting more processes takes longer than they save."""


def resolve_library(
    library: str | Location | Library,
    *,
    on_sound: Callable[[int, int], None] | None = None,
    progress: ScanProgress | None = None,
) -> Library:
    """Return the library for ``builtin``, a manifest, a folder of sounds, or an open library.

    The built-in kit is made if it is missing; ``on_sound`` is called after each of its sounds. A folder is scanned; its
    manifest is kept in rmod's cache, so that its sounds keep their splits. Raises UsageError, ManifestError and
    LibraryError.
    """
    if isinstance(library, Library):
        return library
    if str(library) == BUILTIN:
        _make_builtin(on_sound)
        return load_library(BUILTIN)
    location = parse_location(library)
    if isinstance(location, Path) and location.is_dir():
        location = _scan_into_cache(location, progress)
    return load_library(location)


def _make_builtin(on_sound: Callable[[int, int], None] | None) -> None:
    # It synthesises with scipy, which takes a second to load: only users of the kit wait for it.
    from rmod_pipeline.library.builtin_kit import ensure_builtin

    try:
        ensure_builtin(on_sound=on_sound, workers=min(available_cores(), MAX_PROCESSES))
    except OSError as error:
        raise unwritable_error(error.filename or "the built-in kit", error, OTHER_CACHE) from error


def _scan_into_cache(folder: Path, progress: ScanProgress | None) -> Path:
    """Scan a folder and return its manifest, whose name depends on the folder's real path."""
    real_folder = folder.resolve()
    digest = hashlib.sha256(os.fsencode(real_folder)).hexdigest()[:12]
    name = f"{real_folder.name or 'root'}-{digest}.csv"
    manifest = cache_folder() / "libraries" / name
    with report_unwritable(manifest.parent, OTHER_CACHE):
        manifest.parent.mkdir(parents=True, exist_ok=True)
    previous = manifest if manifest.is_file() else None
    scan = scan_to_manifest(real_folder, manifest, previous=previous, progress=progress)
    unused = "; ".join(describe_unused(scan))
    if unused:
        log.warning("%s: %d sounds; %s; details in %s", folder, len(scan.assets), unused, report_path(manifest))
    return manifest
