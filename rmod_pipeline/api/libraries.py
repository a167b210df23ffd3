"""Libraries: scan a folder, open one, check one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import LibraryLike, speaks_python
from rmod_pipeline.api.results import ScanResult
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.library.scanning.listening import Listener


@speaks_python
def scan(
    folder: str | Path,
    *,
    out: str | Path,
    labels: str | Path | None = None,
    licence: str = "",
    shares: str = "90/5/5",
    previous: str | Path | None = None,
    max_one_shot: float = 10.0,
    max_loop: float = 600.0,
    rolls: bool = False,
    workers: int = 0,
    fresh: bool = False,
    listen: bool = False,
    model: str | Path | None = None,
    progress: bool = True,
) -> ScanResult:
    """Read a folder of sounds and write a manifest and a report.

    labels: a CSV with what names cannot tell. licence: SPDX, for files that nothing else gives one. shares: per cent
    of train/valid/test. previous: an earlier manifest whose sounds keep their split. max_one_shot, max_loop: seconds.
    rolls: keep drum hits whose names say roll or flam. workers: processes, 0 for one per core. fresh: read unchanged
    files again. listen: have a classifier tell the kinds of files whose names say nothing, and doubt wrong names.
    model: that classifier; by default the one that rmod ships. Raises UsageError, ManifestError, LibraryError and
    ModelError.
    """
    from rmod_pipeline.library.scanning.report import report_path
    from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
    from rmod_pipeline.progress import scan_progress

    if model is not None and not listen:
        raise UsageError("--model", "is for --listen", "add --listen, or leave it out")
    manifest = parse_local_path(out)
    with scan_progress(progress) as on_progress:
        found = scan_to_manifest(
            parse_local_path(folder),
            manifest,
            labels=None if labels is None else parse_local_path(labels),
            licence=licence,
            shares=shares,
            previous=None if previous is None else parse_local_path(previous),
            max_one_shot_seconds=max_one_shot,
            max_loop_seconds=max_loop,
            rolls=rolls,
            workers=workers,
            fresh=fresh,
            listener=_make_listener(model, workers, fresh) if listen else None,
            progress=on_progress,
        )
    return ScanResult(manifest=manifest, report=report_path(manifest), scan=found)


@speaks_python
def open_library(library: LibraryLike, *, progress: bool = True) -> Library:
    """Open a library by name, manifest or folder. Makes the built-in kit if it is missing; scans a folder."""
    from rmod_pipeline.library.scanning.resolve import resolve_library
    from rmod_pipeline.progress import kit_progress, scan_progress

    with kit_progress(progress) as on_sound, scan_progress(progress) as on_scan:
        return resolve_library(library, on_sound=on_sound, progress=on_scan)


@speaks_python
def check_library(library: LibraryLike, *, progress: bool = True) -> list[str]:
    """Return the problems of a library, one line each: missing or changed files, groups in two splits."""
    from rmod_pipeline.library.scanning.check import find_problems
    from rmod_pipeline.progress import scan_progress

    opened = open_library(library, progress=progress)
    with scan_progress(progress) as on_progress:
        return list(find_problems(opened, on_progress))


def _make_listener(model: str | Path | None, workers: int, fresh: bool) -> Listener:
    """Return what hears the kinds of files. Raises ModelError without torch."""
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.curation.classify_files import ClassifierChoice
    from rmod_pipeline.curation.listener import ClassifierListener
    from rmod_pipeline.errors import ModelError
    from rmod_pipeline.storage.process_identity import available_cores

    require_torch(ModelError, "classify")
    choice = ClassifierChoice(None if model is None else parse_local_path(model))
    return ClassifierListener(choice=choice, workers=workers or available_cores(), fresh=fresh)
