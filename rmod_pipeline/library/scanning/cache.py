"""What earlier scans measured: kept by path, size and time of change, so that unchanged files are not read again.

An SQLite file in the user's cache folder (or in ``RMOD_CACHE``), holding JSON and raw numbers, nothing that runs. It is
written as the scan goes on, so that an interrupted scan goes on where it was. Without a cache a scan only takes longer:
so nothing that is wrong with it stops a scan.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rmod_pipeline.library.scanning.measure import VERSION, MeasuredFile, UnusableFile, from_record, to_record

log = logging.getLogger(__name__)

CachedResult = TypeVar("CachedResult")

_TABLES = """
CREATE TABLE IF NOT EXISTS measured (
    path TEXT PRIMARY KEY, size INTEGER, changed_ns INTEGER, version INTEGER, record TEXT, fingerprint BLOB
);
CREATE TABLE IF NOT EXISTS compared (
    one TEXT, other TEXT, version INTEGER, likeness REAL, PRIMARY KEY (one, other, version)
) WITHOUT ROWID;
"""
_BETWEEN_COMMITS_SECONDS = 2.0


class ScanCache:
    """Measurements of files and comparisons of sounds. With no path it forgets everything."""

    def __init__(self, path: Path | None) -> None:
        self._connection = _open(path) if path else None
        self._committed = time.monotonic()

    def known(self, path: Path, status: os.stat_result) -> MeasuredFile | UnusableFile | None:
        """Return what was measured of a file, given by its real path, if it has not changed since."""
        query = "SELECT record, fingerprint FROM measured WHERE path=? AND size=? AND changed_ns=? AND version=?"
        row = self._try(lambda database: database.execute(query, (*_key(path, status), VERSION)).fetchone())
        try:
            return from_record(json.loads(row[0]), row[1]) if row else None
        except (ValueError, TypeError):
            return None

    def keep(self, path: Path, status: os.stat_result, result: MeasuredFile | UnusableFile) -> None:
        """Keep what was measured of a file whose size and time were taken before it was read."""
        if isinstance(result, UnusableFile) and not result.lasting:
            return
        record, mark = to_record(result)
        row = (*_key(path, status), VERSION, json.dumps(record), mark)
        self._try(lambda database: database.execute("INSERT OR REPLACE INTO measured VALUES (?,?,?,?,?,?)", row))
        self._commit_at_times()

    def likeness(self, one: str, other: str, version: int) -> float | None:
        """Return how alike two sounds, given by their hashes, were found to be."""
        query = "SELECT likeness FROM compared WHERE one=? AND other=? AND version=?"
        row = self._try(lambda database: database.execute(query, (*sorted((one, other)), version)).fetchone())
        return float(row[0]) if row else None

    def keep_likeness(self, one: str, other: str, version: int, likeness: float) -> None:
        """Keep how alike two sounds were found to be."""
        row = (*sorted((one, other)), version, likeness)
        self._try(lambda database: database.execute("INSERT OR REPLACE INTO compared VALUES (?,?,?,?)", row))
        self._commit_at_times()

    def close(self) -> None:
        """Write everything down."""
        self._try(lambda database: database.commit())
        if self._connection:
            self._connection.close()
            self._connection = None

    def _commit_at_times(self) -> None:
        if time.monotonic() - self._committed > _BETWEEN_COMMITS_SECONDS:
            self._try(lambda database: database.commit())
            self._committed = time.monotonic()

    def _try(self, action: Callable[[sqlite3.Connection], CachedResult]) -> CachedResult | None:
        if self._connection is None:
            return None
        try:
            return action(self._connection)
        except sqlite3.Error as error:
            log.warning("the scan cache is not used: %s", error)
            self._connection = None
            return None


def _key(path: Path, status: os.stat_result) -> tuple[str, int, int]:
    return str(path), status.st_size, status.st_mtime_ns


def _open(path: Path) -> sqlite3.Connection | None:
    for attempt in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=10)
            connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _TABLES)
            return connection
        except sqlite3.OperationalError as error:
            log.warning("the scan cache %s is not used: %s", path, error)
            return None
        except sqlite3.DatabaseError as error:
            # It is a file of ours and holds nothing that cannot be measured again.
            log.warning("the scan cache %s is broken and is made anew: %s", path, error)
            if attempt == 0:
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the scan cache %s is not used: %s", path, error)
            return None
    return None
