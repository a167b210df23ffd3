"""Checks that shards of audio, tokens and features share: receipts, files, and the JSON of pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rmod_pipeline.inspection.findings import ExpectedContent, Finding
from rmod_pipeline.recipe.schema import GROOVE
from rmod_pipeline.shards.layout import Layout, ShardPlan
from rmod_pipeline.shards.receipt import FileRecord, Receipt
from rmod_pipeline.storage.publish import file_digest

_LEVELS = ("lufs", "peak_dbfs", "rms_dbfs", "side_mid_db", "full_scale_share")


def check_receipt_and_files(
    receipt: Receipt, plan: ShardPlan, files: Sequence[str], layout: Layout, about: str
) -> list[Finding]:
    """Return what is wrong with a receipt and its files; if there is anything, their content need not be checked.

    ``files`` are the expected files, relative to the data set; ``about`` names the shard in findings.
    """
    if (receipt.split, receipt.first, receipt.count) != (plan.split, plan.first, plan.count):
        return [Finding(about=about, found="its receipt has other pairs than build.json")]
    if [file.path for file in receipt.files] != list(files):
        return [Finding(about=about, found=f"its receipt does not list exactly {' and '.join(files)}")]
    return [finding for file in receipt.files for finding in _check_file(file, layout)]


def matches_index(text: bytes, row: Mapping[str, Any], expected: ExpectedContent) -> bool:
    """Return whether the JSON of a pair agrees with its row in the index and with build.json."""
    try:
        content = json.loads(text)
        spec, address = content["spec"], content["spec"]["address"]
        sounds = [
            (drum["kind"], layer["asset"], layer["sha256"]) for drum in spec["drums"] for layer in drum["layers"]
        ] + [(loop["kind"], loop["asset"], loop["sha256"]) for loop in spec["loops"]]
        if "groove" in spec:
            sounds.append((GROOVE, spec["groove"]["performance"], spec["groove"]["sha256"]))
        return (
            address == {"seed": expected.seed, **{name: row[name] for name in ("split", "index", "attempt")}}
            and spec["settings"]["engine"] == expected.engine
            and [(source["kind"], source["id"], source["sha256"]) for source in content["sources"]] == sounds
            and content["sources"] == row["sources"]
            and {name: content["measured"]["mix"][name] for name in _LEVELS} == {name: row[name] for name in _LEVELS}
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _check_file(file: FileRecord, layout: Layout) -> Iterator[Finding]:
    path = layout.out / file.path
    if not path.is_file():
        yield Finding(about=file.path, found="missing")
    elif path.stat().st_size != file.bytes:
        yield Finding(about=file.path, found=f"{path.stat().st_size} bytes, its receipt says {file.bytes}")
    elif file_digest(path) != file.sha256:
        yield Finding(about=file.path, found="its checksum differs from that in its receipt")
