"""Grooves: scan a folder of MIDI performances, open a manifest, check one."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.api.arguments import GroovesLike, speaks_python
from rmod_pipeline.api.results import GrooveScanResult
from rmod_pipeline.patterns.manifest import Grooves, load_grooves
from rmod_pipeline.storage import parse_local_path, parse_location


@speaks_python
def scan_grooves(
    folder: str | Path,
    *,
    out: str | Path,
    drum_map: str | Path | None = None,
    licence: str = "",
    source: str = "",
    shares: str = "90/5/5",
    progress: bool = True,
) -> GrooveScanResult:
    """Read a folder of MIDI performances and write a manifest and a report.

    drum_map: ``general_midi``, ``roland_td``, or a YAML file; by default that of the data set. licence, source: of
    files that nothing else gives one. shares: per cent of train/valid/test, or ``hints`` for the splits that the data
    set proposes. Raises UsageError, ManifestError, RecipeError and LibraryError.
    """
    from rmod_pipeline.library.scanning.report import report_path
    from rmod_pipeline.patterns.scan import scan_grooves_to_manifest
    from rmod_pipeline.progress import scan_progress

    manifest = parse_local_path(out)
    with scan_progress(progress) as on_progress:
        found = scan_grooves_to_manifest(
            parse_local_path(folder),
            manifest,
            drum_map=drum_map,
            licence=licence,
            source=source,
            shares=shares,
            progress=on_progress,
        )
    return GrooveScanResult(manifest=manifest, report=report_path(manifest), scan=found)


@speaks_python
def open_grooves(grooves: GroovesLike) -> Grooves:
    """Open a manifest of grooves, which `rmod patterns scan` wrote. Reads no MIDI file."""
    return grooves if isinstance(grooves, Grooves) else load_grooves(parse_location(grooves))


@speaks_python
def check_grooves(grooves: GroovesLike, *, progress: bool = True) -> list[str]:
    """Return the problems of a manifest of grooves, one line each: missing or changed files, groups in two splits."""
    from rmod_pipeline.patterns.check import find_groove_problems
    from rmod_pipeline.progress import scan_progress

    opened = open_grooves(grooves)
    with scan_progress(progress) as on_progress:
        return list(find_groove_problems(opened, on_progress))
