"""Is a data set what its receipts say? Checksums, tars, index, splits; and some pairs rendered again."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import RmodError
from rmod_pipeline.shards.fingerprint import digest, read_fingerprint
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.publish import file_digest
from rmod_pipeline.shards.receipt import FileRecord, Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    about: str
    found: str

    def __str__(self) -> str:
        return f"{self.about}: {self.found}"


@dataclass(slots=True)
class Report:
    """What a verification saw."""

    shards: int = 0
    pairs: int = 0
    rejects: int = 0
    sources: int = 0
    findings: list[Finding] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


def verify_shards(out: Path, on_shard: Callable[[int, int], None] | None = None) -> Report:
    """Check every finished shard, that all shards are there, and that no sound is on two sides of a split.

    ``on_shard`` is told how many shards are done, of how many. Raises ShardError if there is no data set at all.
    """
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    expected = digest(fingerprint)
    report = Report()
    sides = _Sides()
    paths = layout.receipts()
    for done, path in enumerate(paths):
        if on_shard:
            on_shard(done, len(paths))
        try:
            receipt = read_receipt(path)
            report.findings += check_shard(receipt, layout, expected)
            rows = read_index(layout.index(receipt.shard))
        except RmodError as error:
            report.findings.append(Finding(about=error.about, found=error.found))
            continue
        _count(report, receipt, rows)
        sides.add(receipt.split, rows)
    report.findings += [*_gaps(fingerprint, {path.stem for path in paths}), *sides.findings()]
    report.sources = len(sides.splits_of["sound"])
    return report


def check_shard(receipt: Receipt, layout: Layout, fingerprint: str) -> Iterator[Finding]:
    """Yield what is wrong with a shard: its files, its tar against its index, its indices."""
    if receipt.fingerprint != fingerprint:
        yield Finding(about=receipt.shard, found="its receipt belongs to another build.json")
    damaged = [finding for file in receipt.files for finding in _check_file(file, layout)]
    yield from damaged
    if damaged:
        return  # what follows would only say the same again
    rows = read_index(layout.index(receipt.shard))
    yield from _check_indices(receipt, rows)
    yield from _check_tar(layout.tar(receipt.shard), rows)


def _check_file(file: FileRecord, layout: Layout) -> Iterator[Finding]:
    path = layout.out / file.path
    if not path.is_file():
        yield Finding(about=file.path, found="missing")
    elif path.stat().st_size != file.bytes:
        yield Finding(about=file.path, found=f"{path.stat().st_size} bytes, its receipt says {file.bytes}")
    elif file_digest(path) != file.sha256:
        yield Finding(about=file.path, found="its bytes are not those that its receipt vouches for")


def _check_indices(receipt: Receipt, rows: Rows) -> Iterator[Finding]:
    present = [row["index"] for row in rows if row["status"] == PAIR]
    absent = [int(key.rpartition("-")[2]) for key in receipt.absent]
    if sorted(present + absent) != list(range(receipt.first, receipt.first + receipt.count)):
        yield Finding(about=receipt.shard, found="its index does not hold each of its pairs once")
    if len(present) != receipt.pairs:
        yield Finding(about=receipt.shard, found=f"{len(present)} pairs in the index, {receipt.pairs} in the receipt")


def _check_tar(path: Path, rows: Rows) -> Iterator[Finding]:
    expected = [row for row in rows if row["status"] == PAIR]
    keys: list[str] = []
    wanted = {row["key"]: [(member["name"], member["sha256"]) for member in row["members"]] for row in expected}
    for key, members in read_tar(path):
        keys.append(key)
        found = [(name, hashlib.sha256(data).hexdigest()) for name, data in members.items()]
        if key in wanted and found != wanted[key]:
            yield Finding(about=f"{path.name}: {key}", found="its files are not those that the index names")
    if keys != [row["key"] for row in expected]:
        yield Finding(about=path.name, found="its keys are not those of the index, in that order")


def _count(report: Report, receipt: Receipt, rows: Rows) -> None:
    report.shards += 1
    report.pairs += receipt.pairs
    report.rejects += sum(receipt.rejects.values())
    report.keys += [row["key"] for row in rows if row["status"] == PAIR]


def _gaps(fingerprint: dict[str, Any], there: set[str]) -> Iterator[Finding]:
    """Yield a finding for each split whose shards are not all there."""
    size = int(fingerprint["shard_size"])
    for split, count in fingerprint["pairs"].items():
        expected = [f"{split}-{number:06d}" for number in range(-(-count // size))]
        missing = [shard for shard in expected if shard not in there]
        if missing:
            found = f"{len(missing)} of {len(expected)} shards are not made yet, {missing[0]} the first"
            yield Finding(about=f"split {split}", found=f"{found}: give the build command again")


class _Sides:
    """On which sides of the split each sound, and each group of sounds, is used."""

    def __init__(self) -> None:
        self.splits_of: dict[str, dict[str, set[str]]] = {"sound": defaultdict(set), "group": defaultdict(set)}
        self.called: dict[str, str] = {}

    def add(self, split: str, rows: Sequence[dict[str, Any]]) -> None:
        for row in rows:
            for source in row["sources"]:
                self.splits_of["sound"][source["sha256"]].add(split)
                self.splits_of["group"][source["group"]].add(split)
                self.called[source["sha256"]] = source["id"]

    def findings(self) -> Iterator[Finding]:
        for what, splits_of in self.splits_of.items():
            for name, splits in sorted(splits_of.items()):
                if len(splits) > 1:
                    about = f"{what} {self.called.get(name, name)}"
                    yield Finding(about=about, found=f"used in {' and '.join(sorted(splits))}")
