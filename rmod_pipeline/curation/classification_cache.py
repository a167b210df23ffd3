"""Keep what a classifier said of sounds, by the content of their files, so that every sound is classified once.

The cache is one SQLite file in the user's cache folder. An answer is found by the SHA-256 of the file's bytes and by
the identity of the classifier, so it is never stale, whatever the file is called. The SHA-256 of a file that has not
changed (path, size, modification time and change time) is kept too, so that such a file is not even read again.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from rmod_pipeline.classification.results import ClassGuess, Classification
from rmod_pipeline.curation.one_shot_files import LISTEN_SECONDS, SoundFile
from rmod_pipeline.storage.cache_database import CacheDatabase
from rmod_pipeline.storage.folders import cache_folder
from rmod_pipeline.storage.process_identity import computation_identity

log = logging.getLogger(__name__)

LIMIT_BYTES = 2 * 2**30
"""Disk space in the cache for answers: those about a million sounds."""

_PREPARATION = 1
"""Rises when sounds are read or prepared in another way, so that older answers are not used."""

_TABLES = """
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY, size INTEGER, modified_ns INTEGER, changed_ns INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    sha256 TEXT, classifier TEXT, answer BLOB, PRIMARY KEY (sha256, classifier)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What the cache has about a file."""

    sha256: str
    seconds: float
    """Duration of the whole file."""
    classification: Classification


def classification_cache_file() -> Path:
    """Return the path of the cache file of this user."""
    return cache_folder() / "classified.sqlite"


class ClassificationCache:
    """The answers of one classifier."""

    def __init__(self, path: Path | None, source: Mapping[str, Any], *, fresh: bool = False) -> None:
        """Open or create the cache file; without a path nothing is stored.

        source: the origin of the classifier; without a ``sha256`` it is not known by its content, and nothing is
        stored. fresh: load no stored answer, and replace it by the new one.
        """
        digest = source.get("sha256")
        parts = [digest, _PREPARATION, LISTEN_SECONDS, computation_identity()]
        self._classifier = sha256(json.dumps(parts).encode()).hexdigest()[:32]
        self._fresh = fresh
        self._database = CacheDatabase(path if digest else None, _TABLES, "the classification", LIMIT_BYTES)

    def has(self, file: SoundFile) -> bool:
        """Return whether there is an answer about a file, which may be damaged. It is not decoded, which takes long."""
        return self._find_row("1", self._digest_of(file)) is not None

    def load(self, file: SoundFile) -> StoredAnswer | None:
        """Return the answer about a file; None if there is none, or if it is damaged."""
        digest = self._digest_of(file)
        row = self._find_row("answer", digest)
        if row is None:
            return None
        try:
            return _decode_answer(digest, row[0])
        except (ValueError, TypeError, LookupError, zlib.error) as error:
            log.warning("the cache of classifications is damaged at %s, which is classified again: %r", digest, error)
            deletion = "DELETE FROM answers WHERE sha256=? AND classifier=?"
            self._database.run(lambda database: database.execute(deletion, (digest, self._classifier)))
            return None

    def store(self, file: SoundFile, status: os.stat_result | None, answer: StoredAnswer) -> None:
        """Store the answer about a file. ``status`` must be taken before the file is read; None for one on a store."""
        if status is not None and isinstance(file.path, Path):
            row = (*_file_key(file.path, status), answer.sha256)
            self._database.run(
                lambda database: database.execute("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?)", row)
            )
        stored = (answer.sha256, self._classifier, _encode_answer(answer))
        self._database.run(lambda database: database.execute("INSERT OR REPLACE INTO answers VALUES (?,?,?)", stored))
        self._database.commit_periodically()

    def close(self) -> None:
        """Commit and close."""
        self._database.close()

    def _digest_of(self, file: SoundFile) -> str:
        """Return the SHA-256 by which an answer about a file may be found; empty if none may."""
        return "" if self._fresh else file.sha256 or self._find_sha256(file)

    def _find_row(self, column: str, digest: str) -> tuple[Any, ...] | None:
        if not digest:
            return None
        query = f"SELECT {column} FROM answers WHERE sha256=? AND classifier=?"  # a column of ours
        parameters = digest, self._classifier
        row: tuple[Any, ...] | None = self._database.run(
            lambda database: database.execute(query, parameters).fetchone()
        )
        return row

    def _find_sha256(self, file: SoundFile) -> str:
        """Return the SHA-256 of a file that has not changed since it was read; empty if that is not known."""
        status = file_status(file)
        if status is None or not isinstance(file.path, Path):
            return ""
        query = "SELECT sha256 FROM files WHERE path=? AND size=? AND modified_ns=? AND changed_ns=?"
        parameters = _file_key(file.path, status)
        row = self._database.run(lambda database: database.execute(query, parameters).fetchone())
        return str(row[0]) if row else ""


def file_status(file: SoundFile) -> os.stat_result | None:
    """Return the status of a local file; None if there is none."""
    if not isinstance(file.path, Path):
        return None
    try:
        return file.path.stat()
    except (OSError, ValueError):
        return None


def _file_key(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    return str(path.absolute()), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _encode_answer(answer: StoredAnswer) -> bytes:
    """Return an answer as compressed bytes with a checksum: a line of JSON, and the embedding."""
    classification = answer.classification
    head = {
        "seconds": answer.seconds,
        "guesses": [[guess.kind, guess.subkind, guess.confidence] for guess in classification.guesses],
        "is_certain": classification.is_certain,
    }
    return zlib.compress(json.dumps(head).encode() + b"\n" + classification.embedding.astype("<f4").tobytes(), 1)


def _decode_answer(digest: str, data: bytes) -> StoredAnswer:
    """Undo ``_encode_answer``. Raises ValueError, TypeError, LookupError or zlib.error for other bytes."""
    line, _, embedding = zlib.decompress(data).partition(b"\n")
    head = json.loads(line)
    guesses = tuple(
        ClassGuess(kind=kind, subkind=subkind, confidence=float(confidence))
        for kind, subkind, confidence in head["guesses"]
    )
    classification = Classification(
        guesses=guesses,
        is_certain=bool(head["is_certain"]),
        embedding=np.frombuffer(embedding, "<f4").astype(np.float32),
    )
    return StoredAnswer(sha256=digest, seconds=float(head["seconds"]), classification=classification)
