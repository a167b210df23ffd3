"""Helpers of the scan tests."""

from __future__ import annotations

from pathlib import Path

from rmod_pipeline.library.scanning.scan import Scan, ScanConfig, scan_folder
from rmod_pipeline.library.splits import parse_shares

SHARES = parse_shares("80/10/10")
CONFIG = ScanConfig(shares=SHARES)


def scan(folder: Path, config: ScanConfig = CONFIG, **options: object) -> Scan:
    """Scan a folder into a manifest inside it."""
    return scan_folder(folder, folder / "m.csv", config, **options)  # type: ignore[arg-type]


def drop_reasons(result: Scan) -> dict[str, str]:
    """Return the reasons of a scan's dropped files by path."""
    return {file.path: file.reason for file in result.dropped}
