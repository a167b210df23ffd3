"""A receipt: written last, it says that a shard of a family is done, and what it holds."""

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
        """Measure a finished file that stands, or will stand, at ``path``."""
        return cls(path=path, bytes=file.stat().st_size, sha256=file_digest(file))


@dataclass(frozen=True, slots=True)
class MissingPairs:
    """What a shard has no pair for: filled while it is made, told in its receipts."""

    absent: list[str] = field(default_factory=list)
    """Keys that had only rejects."""
    rejects: Counter[str] = field(default_factory=Counter)
    """How many attempts were rejected, by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one finished shard holds. A shard without a receipt does not exist."""

    shard: str
    family: str
    fingerprint: str
    """Digest of build.json."""
    split: str
    first: int
    count: int
    """Indices first .. first + count - 1 are the shard's; those that are absent had only rejects."""
    pairs: int
    absent: tuple[str, ...]
    rejects: dict[str, int]
    """How many attempts were rejected, by reason."""
    files: tuple[FileRecord, ...]

    @property
    def missing(self) -> MissingPairs:
        """What the shard has no pair for."""
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
        raise ShardError(
            path, f"not a receipt: {error}", "remove it and build again: the shard is made anew"
        ) from error
