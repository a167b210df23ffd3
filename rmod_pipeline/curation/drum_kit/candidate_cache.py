"""Keep the candidates of every file, so that another kit of the same sounds is made at once, and a stopped one resumes.

A row is valid while the file's path, size, modification time and change time stay the same, for one classifier.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from rmod_pipeline.curation.drum_kit.candidates import FileCandidates
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import PadCandidate, SoundPlace
from rmod_pipeline.storage.cache_database import CacheDatabase
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.process_identity import computation_identity

CANDIDATES_VERSION = 2
"""Rises when other places or scores are found in the same file."""
LIMIT_BYTES = 2**30
"""Disk space in the cache: a million short files."""

_TABLES = """
CREATE TABLE IF NOT EXISTS candidates (
    path TEXT, listener TEXT, size INTEGER, modified_ns INTEGER, changed_ns INTEGER, record BLOB,
    PRIMARY KEY (path, listener)
) WITHOUT ROWID;
"""


def candidate_cache_file() -> Path:
    """Return the path of the cache file of this user."""
    return cache_folder() / "drum-kit-candidates.sqlite"


class CandidateCache:
    """The candidates of files as one classifier hears them."""

    def __init__(self, path: Path | None, source: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Open or create the cache file; without a path, or a ``sha256`` in the classifier's source, store nothing.

        fresh: load nothing that is stored, and replace it.
        """
        digest = source.get("sha256")
        identity = [digest, CANDIDATES_VERSION, list(PADS), computation_identity()]
        self._listener = sha256(json.dumps(identity).encode()).hexdigest()[:32]
        self._database = CacheDatabase(path if digest else None, _TABLES, "the kit", LIMIT_BYTES)
        self._fresh = fresh
        self._statuses: dict[Path, tuple[int, int, int]] = {}

    def load(self, path: Path, source: str) -> FileCandidates | None:
        """Return the candidates of a file, under the name ``source``; None if they are not known, or it has changed."""
        status = _status_of(path)
        if status is None:
            return None
        # Taken before the file is read: what changes meanwhile is found out the next time.
        self._statuses[path] = status
        if self._fresh:
            return None
        query = (
            "SELECT record FROM candidates WHERE path=? AND listener=? AND size=? AND modified_ns=? AND changed_ns=?"
        )
        parameters = (str(path), self._listener, *status)
        row = self._database.run(lambda database: database.execute(query, parameters).fetchone())
        if not row:
            return None
        try:
            return _from_record(json.loads(zlib.decompress(row[0])), source)
        except (ValueError, TypeError, LookupError, zlib.error):
            return None

    def store(self, path: Path, found: FileCandidates) -> None:
        """Store the candidates of a file that could be read."""
        status = self._statuses.pop(path, None)
        if status is None or not found.sha256:
            return
        row = (str(path), self._listener, *status, zlib.compress(json.dumps(_to_record(found)).encode(), 1))
        self._database.run(
            lambda database: database.execute("INSERT OR REPLACE INTO candidates VALUES (?,?,?,?,?,?)", row)
        )
        self._database.commit_periodically()

    def close(self) -> None:
        """Commit and close."""
        self._database.close()


def _status_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _to_record(found: FileCandidates) -> dict[str, Any]:
    return asdict(found)


def _from_record(record: dict[str, Any], source: str) -> FileCandidates:
    """Undo ``_to_record``, for a file of another name. Raises TypeError or LookupError for other fields."""
    candidates = tuple(
        PadCandidate(
            place=SoundPlace(**{**each["place"], "source": source}),
            scores=dict(each["scores"]),
            clarity_db=float(each["clarity_db"]),
        )
        for each in record.pop("candidates")
    )
    return FileCandidates(**{**record, "source": source, "candidates": candidates})
