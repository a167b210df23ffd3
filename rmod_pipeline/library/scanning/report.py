"""Write the manifest of a scan, and beside it a CSV report of warnings, dropped files and groups of copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from rmod_pipeline.errors import LibraryError, ManifestError, UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import (
    MANIFEST_COLUMNS,
    SPLITS,
    MissingColumnError,
    compute_library_digest,
    load_library,
    read_csv_rows,
    write_csv_rows,
    write_manifest,
)
from rmod_pipeline.library.scanning.scan import DroppedFile, IgnoredFiles, Scan
from rmod_pipeline.library.splits import Shares, check_splits
from rmod_pipeline.storage.writing import check_writable_folder

_MAX_SUFFIXES = 8
"""Suffixes per line of the summary; the report lists all."""
_DRUMS, _DRUMS_NEEDED = ("kick", "snare", "hihat"), 2
"""The drums of the paper's recipe, and how many sounds of each a split needs: up to two are layered."""
REPORT_COLUMNS = ("finding", "group", "path", "detail")


def report_path(manifest: Path) -> Path:
    """Return the path of a manifest's report. Raises UsageError if the manifest is not named NAME.csv."""
    if manifest.suffix.lower() != ".csv" or manifest.name.lower().endswith(".report.csv"):
        raise UsageError(manifest, "is not a name for a manifest", "write --out NAME.csv")
    return manifest.with_suffix(".report.csv")


def refuse_overwriting(manifest: Path, manifest_columns: Sequence[str] = MANIFEST_COLUMNS) -> None:
    """Raise UsageError if the manifest or its report would replace a file that no scan wrote, or has no folder."""
    if not manifest.absolute().parent.is_dir():
        raise UsageError(manifest, "its folder does not exist", "create it, or choose another --out")
    check_writable_folder(manifest.absolute().parent, "choose an --out in a folder that you can write to")
    for path, columns in ((manifest, manifest_columns), (report_path(manifest), REPORT_COLUMNS)):
        if path.is_dir():
            raise UsageError(path, "is a folder", "write --out NAME.csv")
        if not path.exists():
            continue
        try:
            next(read_csv_rows(path, columns), None)
        except MissingColumnError as error:
            hint = "it would be overwritten: choose another --out"
            raise UsageError(path, "exists and was not made by a scan", hint) from error
        except ManifestError:
            # A damaged manifest or report of an earlier scan may be replaced.
            continue


def write_scan(scan: Scan, manifest: Path, shares: Shares) -> None:
    """Write the manifest and its report; add warnings about the whole library to the scan first.

    Raises LibraryError if no file can be used. Then only the report is written, which contains the reasons.
    """
    scan.warnings += [*_find_missing_kinds(scan, manifest, shares), *_count_moved_sounds(scan, manifest)]
    write_csv_rows(report_path(manifest), REPORT_COLUMNS, _report_rows(scan))
    if not scan.assets:
        reasons = Counter(file.reason.split(":")[0] for file in scan.dropped).most_common(3)
        found = ", ".join(f"{count} x {reason}" for reason, count in reasons)
        hint = f"{report_path(manifest)} names each file"
        if any("use --labels" in file.reason and "by ear" not in file.reason for file in scan.dropped):
            hint = f"tell kinds by ear with --listen, or give them with --labels; {hint}"
        raise LibraryError(manifest, f"no file can be used ({found})", hint)
    write_manifest(manifest, scan.assets, scan.root)


class UnusedFiles(Protocol):
    """What a scan says of the files that it does not use."""

    @property
    def dropped(self) -> list[DroppedFile]:
        """Files that cannot be used, with the reason."""

    @property
    def ignored_files(self) -> list[IgnoredFiles]:
        """Files of other kinds, counted."""


def describe_unused(scan: UnusedFiles) -> Iterator[str]:
    """Yield one line per reason with the number of files that a scan does not use, for a summary."""
    for reason, count in Counter(file.reason.split(":")[0] for file in scan.dropped).most_common():
        yield f"dropped {count}: {reason}"
    for reason in dict.fromkeys(files.reason for files in scan.ignored_files):
        of_reason = [files for files in scan.ignored_files if files.reason == reason]
        suffixes = ", ".join(f"{files.suffix} {files.count}" for files in of_reason[:_MAX_SUFFIXES])
        more = f" and {len(of_reason) - _MAX_SUFFIXES} other suffixes" if len(of_reason) > _MAX_SUFFIXES else ""
        yield f"ignored {sum(files.count for files in of_reason)}: {reason} ({suffixes}{more})"


def list_unused(scan: UnusedFiles) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of a report about files that a scan does not use."""
    for file in scan.dropped:
        yield "dropped", "", _to_printable(file.path), file.reason
    for files in scan.ignored_files:
        yield "ignored", "", "", f"{files.suffix} {files.count}: {files.reason}"


def _report_rows(scan: Scan) -> Iterator[tuple[str, str, str, str]]:
    for warning in scan.warnings:
        yield "warning", "", "", warning
    for suspect in scan.suspects:
        yield "suspect", "", _to_printable(str(suspect.path)), suspect.detail
    yield from list_unused(scan)
    for number, paths in enumerate(scan.copies, start=1):
        for path in paths:
            yield "copies", str(number), path, f"{len(paths)} files hold one sound"


def _to_printable(path: str) -> str:
    """Return a path with escapes for bytes that are not UTF-8."""
    return path.encode("utf-8", "backslashreplace").decode()


def _find_missing_kinds(scan: Scan, manifest: Path, shares: Shares) -> Iterator[str]:
    """Yield warnings if a split lacks a kind, or has fewer sounds of a drum than most recipes need."""
    digest = compute_library_digest(scan.assets)
    library = Library(assets=tuple(scan.assets), root=manifest.parent, manifest=manifest, digest=digest)
    splits, kinds = [split for split in SPLITS if shares[split] > 0], library.kinds()
    drums = [kind for kind in kinds if kind in _DRUMS]
    for some, at_least in ((drums, _DRUMS_NEEDED), ([kind for kind in kinds if kind not in _DRUMS], 1)):
        try:
            check_splits(library, some, splits, at_least)
        except LibraryError as error:
            yield f"{error.found} -> {error.hint}"


def _count_moved_sounds(scan: Scan, manifest: Path) -> Iterator[str]:
    """Yield a warning with the number of sounds that are in another split than in the manifest to be replaced."""
    if not manifest.is_file():
        return
    try:
        old_splits = {asset.path: asset.split for asset in load_library(manifest).assets}
    except ManifestError:
        return
    moved = sum(old_splits.get(asset.path, asset.split) != asset.split for asset in scan.assets)
    if moved:
        yield f"{moved} sounds are in another split than before; --previous keeps the splits of an old manifest"
