"""Define the receipt of a shard, which is written last: it says that the shard is done and what it holds."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rmod_pipeline.errors import ShardError
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import file_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One finished file of a shard."""

    path: str
    """Relative to the data set's folder, POSIX."""
    bytes: int
    sha256: str

    @classmethod
    def of(cls, file: Path, path: str) -> FileRecord:
        """Measure a finished file, which is or will be published as ``path``."""
        return cls(path=path, bytes=file.stat().st_size, sha256=file_digest(file))


@dataclass(frozen=True, slots=True)
class MissingPairs:
    """The pairs that a shard lacks: collected while it is made, and recorded in its receipts."""

    absent: list[str] = field(default_factory=list)
    """Keys whose attempts were all rejected."""
    rejects: Counter[str] = field(default_factory=Counter)
    """Number of rejected attempts by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The contents of one finished shard of one family. A shard without a receipt does not exist."""

    shard: str
    family: str
    fingerprint: str
    """Digest of build.json, codec.json or features.json."""
    split: str
    first: int
    """Index of the first pair."""
    count: int
    """Number of indices, from ``first`` on."""
    pairs: int
    """Number of pairs in the shard: ``count`` without the absent ones."""
    absent: tuple[str, ...]
    """Keys whose attempts were all rejected."""
    rejects: dict[str, int]
    """Number of rejected attempts by reason."""
    files: tuple[FileRecord, ...]

    @property
    def missing(self) -> MissingPairs:
        """The pairs that the shard lacks."""
        return MissingPairs(list(self.absent), Counter(self.rejects))

    def to_json(self) -> bytes:
        """Return the receipt as indented JSON."""
        return json.dumps(asdict(self), indent=1).encode() + b"\n"


_ADAPTER = TypeAdapter(Receipt)


def read_receipt(path: Location) -> Receipt:
    """Read a receipt. Raises ShardError."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        hint = "remove it and give the command that made it again: its shard is made again"
        raise ShardError(path, f"not a receipt: {error}", hint) from error
