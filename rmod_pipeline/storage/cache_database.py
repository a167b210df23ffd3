"""Keep what can be made again in an SQLite file of the user's cache: whole or remade, and never in the way.

A ``CacheDatabase`` holds JSON and raw numbers, no code. It is written while a command works, so that a stopped command
resumes. A damaged file is logged and made again. Any other error is logged and turns the cache off: the command goes
on without it.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rmod_pipeline.storage.writing import remove_quietly

log = logging.getLogger(__name__)

QueryResult = TypeVar("QueryResult")

_COMMIT_INTERVAL_SECONDS = 2.0
_SIDE_FILES = ("", "-wal", "-shm")
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PRIMARY_CODE = 0xFF


class CacheDatabase:
    """An SQLite file in the cache. Several processes may have it open."""

    def __init__(self, path: Path | None, tables: str, about: str, limit_bytes: int | None = None) -> None:
        """Open or create the file with its tables; without a path nothing is stored.

        tables: the SQL that creates what is missing. about: what works with the cache, for messages, as in "the scan
        continues without its cache". limit_bytes: a larger file is removed, and created again.
        """
        self._path, self._tables, self._about = path, tables, about
        self._connection = self._connect(limit_bytes) if path else None
        self._committed = time.monotonic()

    def run(self, action: Callable[[sqlite3.Connection], QueryResult]) -> QueryResult | None:
        """Return the action's result; None without a file, and after an error.

        After an error the cache is off, except for a damaged file, which is created again.
        """
        if self._connection is None:
            return None
        try:
            return action(self._connection)
        except UnicodeEncodeError:  # the path of a file that is not UTF-8: nothing is stored about it
            return None
        except sqlite3.Error as error:
            if _is_damage(error):
                self._replace_damaged(error)
            else:
                log.warning("%s continues without its cache: %s", self._about, error)
                self._connection = None
        return None

    def commit_periodically(self) -> None:
        """Write to disk what was stored, if the last time was some seconds ago."""
        if time.monotonic() - self._committed > _COMMIT_INTERVAL_SECONDS:
            self.run(lambda database: database.commit())
            self._committed = time.monotonic()

    def close(self) -> None:
        """Commit and close."""
        self.run(lambda database: database.commit())
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connect(self, limit_bytes: int | None = None) -> sqlite3.Connection | None:
        assert self._path is not None
        for attempt in range(2):
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._remove_large_file(limit_bytes)
                connection = sqlite3.connect(self._path, timeout=10)
                connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + self._tables)
                return connection
            except sqlite3.OperationalError as error:
                log.warning("%s continues without the cache %s: %s", self._about, self._path, error)
                return None
            except sqlite3.DatabaseError as error:
                log.warning("%s: the cache %s is damaged and is created again: %s", self._about, self._path, error)
                if attempt == 0:
                    self._remove_file()
            except OSError as error:
                log.warning("%s continues without the cache %s: %s", self._about, self._path, error)
                return None
        return None

    def _remove_large_file(self, limit_bytes: int | None) -> None:
        assert self._path is not None
        if limit_bytes is not None and self._path.exists() and self._path.stat().st_size > limit_bytes:
            log.info("%s: the cache %s is full and is created again", self._about, self._path)
            self._remove_file()

    def _replace_damaged(self, error: sqlite3.Error) -> None:
        """Create the file again after damage that was found while it was used."""
        log.warning("%s: the cache %s is damaged and is created again: %s", self._about, self._path, error)
        if self._connection is not None:
            self._connection.close()
        self._remove_file()
        self._connection = self._connect()

    def _remove_file(self) -> None:
        # The file belongs to rmod, and everything in it can be made again. A log of its old content must not stay.
        assert self._path is not None
        for suffix in _SIDE_FILES:
            remove_quietly(self._path.with_name(self._path.name + suffix))


def _is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means that the content of the file is no whole database."""
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _DAMAGE
