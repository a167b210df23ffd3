"""Keep answers and what was measured of them: a Parquet file per set, system and chunk, with the digest of its origin.

    OUT/work/SET/SYSTEM/0000.parquet      a row per kind and key: checksum, FLAC, metrics, embeddings

A file is renamed into its final name once it is whole, so an evaluation that was stopped is resumed. A file of another
digest is made again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rmod_pipeline.codec.catalogue import make_plain_name
from rmod_pipeline.storage.publish import publish_bytes
from rmod_pipeline.storage.writing import report_unwritable

WORK = "work"
_ANSWERS, _MEASURES = b"rmod.answers", b"rmod.measures"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkOrigin:
    """What decides the content of a file."""

    answers: str
    """Digest of the mixtures and of the system: what decides the answers."""
    measures: str
    """Digest of what is measured."""
    system: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The options of the system and checksums of what it reads, for the results."""


def chunk_path(out: Path, test_set: str, system: str, chunk: int) -> Path:
    """Return the file of a system's answers to a chunk of a set."""
    return out / WORK / make_plain_name(test_set) / make_plain_name(system) / f"{chunk:04d}.parquet"


def write_chunk(path: Path, rows: Sequence[Mapping[str, Any]], origin: ChunkOrigin) -> None:
    """Write the rows of a chunk completely or not at all. Raises UsageError for a folder that cannot be written."""
    # Rows without an answer lack columns, and pyarrow takes the columns from the first row.
    names = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    table = table.replace_schema_metadata({_ANSWERS: origin.answers, _MEASURES: origin.measures})
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    with report_unwritable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        publish_bytes(stream.getvalue(), path, path.parent)


def read_origin(path: Path) -> ChunkOrigin | None:
    """Return what a file was made from; None if there is none, or a damaged one."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return ChunkOrigin(answers=metadata[_ANSWERS].decode(), measures=metadata[_MEASURES].decode())
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None


def read_rows(path: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of a file."""
    rows: list[dict[str, Any]] = pq.read_table(path, columns=None if columns is None else list(columns)).to_pylist()
    return rows
