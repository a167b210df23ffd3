"""Write and read the index of a shard: a Parquet table with one row per pair and one row per reject."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rmod_pipeline.errors import ShardError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Pair, PairLevels
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import list_sources
from rmod_pipeline.spec import PairId, PairSpec
from rmod_pipeline.storage import Location, open_for_reading

PAIR, REJECT = "pair", "reject"

_text, _number = pa.string(), pa.float64()

_SOURCE = pa.struct([(name, _text) for name in ("kind", "id", "sha256", "kit", "group", "licence", "source")])
_MEMBER = pa.struct([("name", _text), ("bytes", pa.int64()), ("sha256", _text)])
_TARGET = pa.struct([("kind", _text), ("seconds", _number), ("peak_dbfs", _number), ("audible_db", _number)])
_LOOP = pa.struct([("kind", _text), ("semitones", pa.int32()), ("seconds", _number)])
_HITS = pa.struct([("kind", _text), ("hits", pa.int32()), ("layers", pa.int32())])

SCHEMA = pa.schema(
    [
        ("key", _text),
        ("split", _text),
        ("index", pa.int64()),
        ("attempt", pa.int32()),
        ("status", _text),  # pair or reject; a reject is not in the tar
        ("stage", _text),  # rejects only: the part that was judged, target or mix
        ("reason", _text),  # rejects only
        ("lufs", _number),
        ("peak_dbfs", _number),
        ("rms_dbfs", _number),
        ("side_mid_db", _number),
        ("full_scale_share", _number),
        ("targets", pa.list_(_TARGET)),
        ("drums", pa.list_(_HITS)),
        ("loops", pa.list_(_LOOP)),
        ("sources", pa.list_(_SOURCE)),
        ("licences", pa.list_(_text)),
        ("members", pa.list_(_MEMBER)),
    ]
)

ORIGINAL_KEY, NOTICES = "original_key", "notices"
"""Columns that the index of imported pairs has in addition: the name in the folder, and what was changed or wrong."""

_IMPORT_SCHEMA = SCHEMA.append(pa.field(ORIGINAL_KEY, _text)).append(pa.field(NOTICES, pa.list_(_text)))


def make_pair_row(pair: Pair, members: Mapping[str, bytes], library: Library) -> dict[str, Any]:
    """Return the row of an accepted pair; ``members`` are its files by suffix."""
    records = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    ]
    return {**_describe(pair.spec, pair.measured, library), "status": PAIR, "members": records}


def make_reject_row(pair: Pair, stage: str, reason: str, library: Library) -> dict[str, Any]:
    """Return the row of a rejected attempt, with its levels, so that the limits can be evaluated later."""
    return {**_describe(pair.spec, pair.measured, library), "status": REJECT, "stage": stage, "reason": reason}


def make_refused_row(pair: PairId, original_key: str, reason: str, notices: Sequence[str]) -> dict[str, Any]:
    """Return the row of a pair of files that was not imported: nothing of it is known but its name."""
    nothing: dict[str, Any] = {name: [] for name in ("targets", "drums", "loops", "sources", "licences", "members")}
    return {
        **nothing,
        "key": pair.key,
        "split": pair.split,
        "index": pair.index,
        "attempt": pair.attempt,
        "status": REJECT,
        "stage": "files",
        "reason": reason,
        ORIGINAL_KEY: original_key,
        NOTICES: list(notices),
    }


def write_index(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as Parquet. Equal rows give equal bytes within one version of pyarrow."""
    schema = _IMPORT_SCHEMA if any(ORIGINAL_KEY in row for row in rows) else SCHEMA
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, compression="zstd")


def read_index(path: Location, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of an index. Raises ShardError."""
    try:
        with nullcontext(path) if isinstance(path, Path) else open_for_reading(path) as source:
            rows: list[dict[str, Any]] = pq.read_table(
                source, columns=None if columns is None else list(columns)
            ).to_pylist()
            return rows
    except (OSError, pa.ArrowException) as error:
        receipts = [receipt for receipt in Layout(path.parent.parent).main_receipts() if receipt.stem == path.stem]
        receipt = receipts[0] if receipts else "the receipt of its shard"
        hint = f"remove {receipt} and give the build command again"
        raise ShardError(path, f"not an index: {error}", hint) from error


def _describe(spec: PairSpec, measured: PairLevels, library: Library) -> dict[str, Any]:
    """Return the columns that pairs and rejects share."""
    sources = list_sources(spec, library)
    mix, tracks = measured.mix, measured.tracks
    return {
        "key": spec.key,
        "split": spec.address.split,
        "index": spec.address.index,
        "attempt": spec.address.attempt,
        "lufs": mix.lufs,
        "peak_dbfs": mix.peak_dbfs,
        "rms_dbfs": mix.rms_dbfs,
        "side_mid_db": mix.side_mid_db,
        "full_scale_share": mix.full_scale_share,
        "targets": [
            {
                "kind": kind,
                "seconds": target.seconds,
                "peak_dbfs": target.peak_dbfs,
                "audible_db": tracks[kind].audible_db if kind in tracks else None,  # of an import nobody knows it
            }
            for kind, target in measured.targets.items()
        ],
        "drums": [{"kind": drum.kind, "hits": len(drum.notes), "layers": len(drum.layers)} for drum in spec.drums],
        "loops": [
            {
                "kind": loop.kind,
                "semitones": loop.semitones,
                "seconds": loop.period_frames / spec.settings.sample_rate,
            }
            for loop in spec.loops
        ],
        "sources": sources,
        "licences": sorted({source["licence"] for source in sources}),
        **({ORIGINAL_KEY: spec.original_key, NOTICES: []} if spec.is_imported else {}),
    }
