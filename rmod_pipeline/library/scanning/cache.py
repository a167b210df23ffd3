"""Cache measurements of files and similarities of sounds between scans.

The cache is an SQLite file in the user's cache folder (or in ``RMOD_CACHE``) that holds JSON and raw numbers, no code.
A measurement is valid while the file's path, size, modification time and change time stay the same. Copying tools can
set the modification time back; only the file system sets the change time. The cache is written during the scan, so that
an interrupted scan can be resumed. Errors of the cache are logged and never stop a scan.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from rmod_pipeline.library.scanning.measure import MEASURE_VERSION, MeasuredFile, UnusableFile, from_record, to_record
from rmod_pipeline.storage.cache_database import CacheDatabase
from rmod_pipeline.storage.folders import cache_folder

_TABLES = """
DROP TABLE IF EXISTS measured;
CREATE TABLE IF NOT EXISTS measurements (
    path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, changed_ns INTEGER,
    version INTEGER, record TEXT, fingerprint BLOB
);
CREATE TABLE IF NOT EXISTS compared (
    one TEXT, other TEXT, version INTEGER, likeness REAL, PRIMARY KEY (one, other, version)
) WITHOUT ROWID;
"""


def scan_cache_file() -> Path:
    """Return the path of the cache file of this user."""
    return cache_folder() / "scan.sqlite"


class ScanCache:
    """Measurements of files and similarities of pairs of sounds."""

    def __init__(self, path: Path | None, *, fresh: bool = False) -> None:
        """Open or create the cache file; without a path nothing is stored.

        ``fresh``: load no stored measurement, and replace it by the new one.
        """
        self._database = CacheDatabase(path, _TABLES, "the scan")
        self._fresh = fresh

    def load_measurement(self, path: Path, status: os.stat_result) -> MeasuredFile | UnusableFile | None:
        """Return the stored measurement of the file at a real path; None if there is none or the file has changed."""
        conditions = "path=? AND size=? AND modified_ns=? AND changed_ns=? AND version=?"
        if self._fresh:
            return None
        query = f"SELECT record, fingerprint FROM measurements WHERE {conditions}"
        parameters = (*_file_key(path, status), MEASURE_VERSION)
        row = self._database.run(lambda database: database.execute(query, parameters).fetchone())
        try:
            return from_record(json.loads(row[0]), row[1]) if row else None
        except (ValueError, TypeError):
            return None

    def store_measurement(self, path: Path, status: os.stat_result, result: MeasuredFile | UnusableFile) -> None:
        """Store the measurement of a file; ``status`` must be taken before the file is read."""
        if isinstance(result, UnusableFile) and not result.lasting:
            return
        record, fingerprint = to_record(result)
        row = (*_file_key(path, status), MEASURE_VERSION, json.dumps(record), fingerprint)
        self._database.run(
            lambda database: database.execute("INSERT OR REPLACE INTO measurements VALUES (?,?,?,?,?,?,?)", row)
        )
        self._database.commit_periodically()

    def forget_measurement(self, path: Path) -> None:
        """Delete the stored measurement of the file at a real path."""
        self._database.run(lambda database: database.execute("DELETE FROM measurements WHERE path=?", (str(path),)))

    def load_similarity(self, first: str, second: str, version: int) -> float | None:
        """Return the stored similarity of two sounds, given by their hashes."""
        query = "SELECT likeness FROM compared WHERE one=? AND other=? AND version=?"
        parameters = (*sorted((first, second)), version)
        row = self._database.run(lambda database: database.execute(query, parameters).fetchone())
        return float(row[0]) if row else None

    def store_similarity(self, first: str, second: str, version: int, similarity: float) -> None:
        """Store the similarity of two sounds, given by their hashes."""
        row = (*sorted((first, second)), version, similarity)
        self._database.run(lambda database: database.execute("INSERT OR REPLACE INTO compared VALUES (?,?,?,?)", row))
        self._database.commit_periodically()

    def close(self) -> None:
        """Commit and close."""
        self._database.close()


def _file_key(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns
