"""The report of a scan: a CSV beside the manifest with every warning, every dropped file and every group of copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.errors import LibraryError, ManifestError, UsageError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.manifest import (
    COLUMNS,
    SPLITS,
    digest_of,
    load_library,
    read_rows,
    write_manifest,
    write_rows,
)
from rmod_pipeline.library.scanning.scan import Scan
from rmod_pipeline.library.splits import Shares, check_splits

REPORT_COLUMNS = ("finding", "group", "path", "detail")


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCount:
    """One line of a summary."""

    kind: str
    by_split: dict[str, int]
    groups: int
    seconds: float

    @property
    def files(self) -> int:
        return sum(self.by_split.values())


def count_kinds(assets: list[Asset] | tuple[Asset, ...]) -> list[KindCount]:
    """Return how much there is of each kind, by name."""
    counts = []
    for kind in sorted({asset.kind for asset in assets}):
        mine = [asset for asset in assets if asset.kind == kind]
        split = Counter(asset.split for asset in mine)
        counts.append(
            KindCount(
                kind=kind,
                by_split={name: split[name] for name in SPLITS},
                groups=len({asset.group for asset in mine}),
                seconds=sum(asset.seconds for asset in mine),
            )
        )
    return counts


def report_path(manifest: Path) -> Path:
    """Return where a manifest's report stands. Raises UsageError for a manifest that is not named NAME.csv."""
    if manifest.suffix.lower() != ".csv" or manifest.name.lower().endswith(".report.csv"):
        raise UsageError(manifest, "is not a name for a manifest", "write --out NAME.csv")
    return manifest.with_suffix(".report.csv")


def refuse_overwriting(manifest: Path) -> None:
    """Raise UsageError if a manifest and its report cannot stand there, or something else stands there already."""
    if not manifest.absolute().parent.is_dir():
        raise UsageError(manifest, "its folder does not exist", "make it, or choose another --out")
    for path, columns in ((manifest, COLUMNS), (report_path(manifest), REPORT_COLUMNS)):
        if path.is_dir():
            raise UsageError(path, "is a folder", "write --out NAME.csv")
        if not path.exists():
            continue
        try:
            next(read_rows(path, columns), None)
        except ManifestError as error:
            if "no column" in error.found:
                hint = "it would be overwritten: choose another --out"
                raise UsageError(path, "exists and was not made by a scan", hint) from error


def write_scan(scan: Scan, manifest: Path, shares: Shares) -> None:
    """Write the manifest and its report, and add to the scan's warnings what the whole library lacks.

    Raises LibraryError if no file can be used; the report, which says why, is then written and the manifest is not.
    """
    scan.warnings += [*_lacks(scan, manifest, shares), *_moved(scan, manifest)]
    write_rows(report_path(manifest), REPORT_COLUMNS, _rows(scan))
    if not scan.assets:
        reasons = Counter(drop.reason.split(":")[0] for drop in scan.dropped).most_common(3)
        found = ", ".join(f"{count} x {reason}" for reason, count in reasons)
        raise LibraryError(manifest, f"no file can be used ({found})", f"{report_path(manifest)} names each file")
    write_manifest(manifest, scan.assets, scan.root)


def _rows(scan: Scan) -> Iterator[tuple[str, str, str, str]]:
    for warning in scan.warnings:
        yield "warning", "", "", warning
    for drop in scan.dropped:
        yield "dropped", "", _printable(drop.path), drop.reason
    for number, paths in enumerate(scan.copies, start=1):
        for path in paths:
            yield "copies", str(number), path, f"{len(paths)} files hold one sound"


def _printable(path: str) -> str:
    """Return a path that UTF-8 can hold."""
    return path.encode("utf-8", "backslashreplace").decode()


def _lacks(scan: Scan, manifest: Path, shares: Shares) -> Iterator[str]:
    library = Library(assets=tuple(scan.assets), root=manifest.parent, manifest=manifest, digest=digest_of(scan.assets))
    try:
        check_splits(library, library.kinds(), [split for split in SPLITS if shares[split] > 0])
    except LibraryError as error:
        yield f"{error.found} -> {error.hint}"


def _moved(scan: Scan, manifest: Path) -> Iterator[str]:
    """Say how many sounds are on another side than in the manifest that is to be replaced."""
    if not manifest.is_file():
        return
    try:
        before = {asset.path: asset.split for asset in load_library(manifest).assets}
    except ManifestError:
        return
    moved = sum(before.get(asset.path, asset.split) != asset.split for asset in scan.assets)
    if moved:
        yield f"{moved} sounds are on another side than before; --previous keeps the splits of an old manifest"
