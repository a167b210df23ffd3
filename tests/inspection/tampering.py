"""Change a shard of a finished data set, as damage or as a forgery whose index and receipt fit the change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rmod_pipeline.shards.index import SCHEMA
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import FileRecord, read_receipt
from rmod_pipeline.shards.tar import TarWriter, read_tar
from tests.tiny_build import on_disk

SHARD = "train-000001"
FIRST_KEY = "train-00000003"
"""The first pair of the shard."""


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of a JSON file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def edit_receipt(out: Path, **changes: object) -> None:
    """Change fields of the receipt of the shard."""
    edit_json(on_disk(Layout(out).receipt(SHARD)), lambda content: content.update(changes))


def forge_receipt(out: Path) -> None:
    """Replace sizes and checksums in the receipt of the shard by those of the files, as a forger would."""
    layout = Layout(out)
    receipt = read_receipt(layout.receipt(SHARD))
    files = tuple(FileRecord.of(out / file.path, file.path) for file in receipt.files)
    layout.receipt(SHARD).write_bytes(replace(receipt, files=files).to_json())


def edit_index(out: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of the index of the shard, and forge the receipt."""
    path = Layout(out).index(SHARD)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    forge_receipt(out)


def edit_tar(out: Path, change: Callable[[dict[str, dict[str, bytes]]], object], forge_index: bool = True) -> None:
    """Change the files in the tar of the shard, by key and suffix; forge the receipt and, by default, the index."""
    path = Layout(out).tar(SHARD)
    content = dict(read_tar(path))
    change(content)
    with TarWriter(on_disk(path)) as writer:
        for key, members in content.items():
            writer.add(key, members)

    def update_checksums(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["members"] = [
                {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest()}
                for name, data in content[row["key"]].items()
            ]

    if forge_index:
        edit_index(out, update_checksums)
    else:
        forge_receipt(out)


def flip_bit(path: Path, offset: int) -> None:
    """Flip the lowest bit of a byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def swap_files(name: str) -> Callable[[dict[str, dict[str, bytes]]], None]:
    """Return a change that exchanges a file between the first two pairs."""

    def change(content: dict[str, dict[str, bytes]]) -> None:
        first, second, *_ = content.values()
        first[name], second[name] = second[name], first[name]

    return change
