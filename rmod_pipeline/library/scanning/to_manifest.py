"""Scan a folder with the given options and write its manifest."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.process_pool import ScanProgress
from rmod_pipeline.library.scanning.cache import ScanCache, scan_cache_file
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.listening import Listener
from rmod_pipeline.library.scanning.previous import PreviousManifest
from rmod_pipeline.library.scanning.report import refuse_overwriting, write_scan
from rmod_pipeline.library.scanning.scan import Scan, ScanConfig, scan_folder
from rmod_pipeline.library.splits import parse_shares
from rmod_pipeline.storage.process_identity import available_cores


def scan_to_manifest(
    folder: Path,
    manifest: Path,
    *,
    labels: Path | None = None,
    licence: str = "",
    shares: str = "90/5/5",
    previous: Path | None = None,
    max_one_shot_seconds: float = 10.0,
    max_loop_seconds: float = 600.0,
    rolls: bool = False,
    workers: int = 0,
    fresh: bool = False,
    listener: Listener | None = None,
    progress: ScanProgress | None = None,
) -> Scan:
    """Scan a folder and write its manifest and report.

    shares: percentages of train/valid/test. rolls: keep rolls and flams among one-shots. workers: number of processes,
    0 for one per core. fresh: measure every file again. listener: what hears kinds. Raises UsageError, ManifestError
    and LibraryError.
    """
    refuse_overwriting(manifest)
    config = ScanConfig(
        shares=parse_shares(shares),
        licence=parse_licence(licence),
        max_one_shot_seconds=max_one_shot_seconds,
        max_loop_seconds=max_loop_seconds,
        rolls=rolls,
        workers=workers or available_cores(),
    )
    cache = ScanCache(scan_cache_file(), fresh=fresh)
    try:
        scan = scan_folder(
            folder,
            manifest,
            config,
            labels=Labels.read(labels) if labels else None,
            previous=PreviousManifest.read(previous) if previous else None,
            cache=cache,
            listener=listener,
            progress=progress,
        )
    finally:
        cache.close()
    write_scan(scan, manifest, config.shares)
    return scan
