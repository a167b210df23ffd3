"""Verify the audio shards of a data set: checksums, tars, index, and that no sound is in two splits."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rmod_pipeline.errors import RmodError
from rmod_pipeline.inspection.findings import ExpectedContent, Finding, VerifyReport, read_expected_content
from rmod_pipeline.inspection.shard_checks import check_receipt_and_files, matches_index
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import AUDIO, INDEX, Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.storage import Location, StoreError

Rows = list[dict[str, Any]]


def verify_shards(out: Location, on_shard: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Check every finished shard, that no shard is missing, and that no sound is in two splits.

    ``on_shard`` is called with the number of checked shards and the total. Raises ShardError if there is no data set.
    """
    expected = read_expected_content(out)
    layout = Layout(out).with_receipts(expected.plans, [expected.family])
    report, usage = VerifyReport(), _SplitUsage()
    paths = layout.receipts(expected.family)
    for done, path in enumerate(paths):
        if on_shard:
            on_shard(done, len(paths))
        findings = list(_check_receipt(path, layout, expected, report, usage))
        report.findings += findings
        report.damaged += [layout.relative(path)] if findings else []
    finished = {path.stem for path in paths}
    report.findings += [
        *_find_missing_shards(expected.plans, finished),
        *_find_stray_files(layout, finished),
        *usage.find_overlaps(),
    ]
    report.sources = len(usage.splits_of["sound"])
    return report


def _check_receipt(
    path: Location, layout: Layout, expected: ExpectedContent, report: VerifyReport, usage: _SplitUsage
) -> Iterator[Finding]:
    """Check the shard of a receipt, and count its pairs and sounds if its index is readable."""
    try:
        receipt = read_receipt(path)
        plan = expected.plans.get(path.stem)
        if plan is None or (receipt.shard, receipt.family) != (path.stem, expected.family):
            yield Finding(about=layout.relative(path), found="not the receipt of a shard of this data set")
            return
        yield from _check_shard(receipt, plan, layout, expected)
        rows = read_index(layout.index(receipt.shard))
    except StoreError:
        raise  # an unreachable object store says nothing about the data set
    except RmodError as error:
        yield Finding(about=error.about, found=error.found)
        return
    except (KeyError, TypeError, ValueError) as error:  # an index that rmod did not write
        yield Finding(about=f"index/{path.stem}.parquet", found=f"not the index of a shard: {error!r}")
        return
    report.shards += 1
    report.pairs += receipt.pairs
    report.rejects += sum(receipt.rejects.values())
    report.keys += [row["key"] for row in rows if row["status"] == PAIR]
    usage.add(receipt.split, rows)


def _check_shard(receipt: Receipt, plan: ShardPlan, layout: Layout, expected: ExpectedContent) -> Iterator[Finding]:
    """Yield what is wrong with a shard: its receipt, files, index and tar. Raises ShardError."""
    if receipt.fingerprint != expected.digest:
        yield Finding(about=receipt.shard, found="its receipt belongs to another build.json")
    has_audio = expected.family == AUDIO
    paths = [*([layout.tar(plan.name)] if has_audio else []), layout.index(plan.name)]
    findings = check_receipt_and_files(receipt, plan, [layout.relative(path) for path in paths], layout, receipt.shard)
    yield from findings
    if findings:
        return
    rows = read_index(layout.index(receipt.shard))
    yield from _check_index(receipt, plan, rows)
    if has_audio:
        yield from _check_tar(layout.tar(receipt.shard), rows, expected)


def _check_index(receipt: Receipt, plan: ShardPlan, rows: Rows) -> Iterator[Finding]:
    """Yield the contradictions within an index, and between an index and its receipt."""
    attempts: dict[str, list[tuple[int, bool]]] = {f"{plan.split}-{i:08d}": [] for i in plan.indices}
    rejects = Counter[str]()
    for row in rows:
        about = f"{receipt.shard}: {row['key']}"
        if row["key"] != f"{row['split']}-{row['index']:08d}" or row["key"] not in attempts:
            yield Finding(about=about, found="is in the index of this shard, but is not one of its pairs")
            continue
        attempts[row["key"]].append((row["attempt"], row["status"] == PAIR))
        rejects[str(row["reason"])] += row["status"] != PAIR
        if row["licences"] != sorted({source["licence"] for source in row["sources"]}):
            yield Finding(about=about, found="its licences are not those of its sounds")
    for key, key_attempts in attempts.items():
        # Attempts are numbered from 0. All but the last are rejects; so is the last one of an absent key.
        outcomes = [False] * (len(key_attempts) - 1) + [key not in receipt.absent]
        if key_attempts != list(enumerate(outcomes)):
            yield Finding(about=f"{receipt.shard}: {key}", found="its attempts in the index are inconsistent")
    pairs = sum(row["status"] == PAIR for row in rows)
    if (pairs, dict(+rejects)) != (receipt.pairs, receipt.rejects) or pairs + len(receipt.absent) != plan.count:
        yield Finding(about=receipt.shard, found=f"{pairs} pairs in the index, {receipt.pairs} in the receipt")


def _check_tar(path: Location, rows: Rows, expected: ExpectedContent) -> Iterator[Finding]:
    pair_rows = {row["key"]: row for row in rows if row["status"] == PAIR}
    keys: list[str] = []
    for key, members in read_tar(path):
        keys.append(key)
        if key in pair_rows:
            yield from _check_pair(f"{path.name}: {key}", members, pair_rows[key], expected)
    if keys != list(pair_rows):
        yield Finding(about=path.name, found="its keys are not those of the index, in that order")


def _check_pair(
    about: str, members: Mapping[str, bytes], row: dict[str, Any], expected: ExpectedContent
) -> Iterator[Finding]:
    if list(members) != expected.members:
        found = f"holds {', '.join(members)}; build.json requires {', '.join(expected.members)}"
        yield Finding(about=about, found=found)
    checksums = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    ]
    if checksums != row["members"]:
        yield Finding(about=about, found="its files differ from those in the index")
    elif "json" in members and not matches_index(members["json"], row, expected):
        yield Finding(about=about, found="its JSON and its row in the index disagree")


def _find_missing_shards(plans: Mapping[str, ShardPlan], finished: set[str]) -> Iterator[Finding]:
    """Yield a finding for each split with missing shards."""
    for split in dict.fromkeys(plan.split for plan in plans.values()):
        names = [name for name, plan in plans.items() if plan.split == split]
        missing = [name for name in names if name not in finished]
        if missing:
            found = f"{len(missing)} of {len(names)} shards are not made yet, {missing[0]} the first"
            yield Finding(about=f"split {split}", found=f"{found}: run the build command again")


def _find_stray_files(layout: Layout, finished: set[str]) -> Iterator[Finding]:
    """Yield a finding for each file without receipt, which a program that reads all tars would take for finished."""
    for path in sorted((*(layout.out / AUDIO).glob("*.tar"), *(layout.out / INDEX).glob("*.parquet")), key=str):
        if path.stem not in finished:
            yield Finding(about=layout.relative(path), found="has no receipt: finish the build, or remove the file")


class _SplitUsage:
    """The splits in which each sound and each group of sounds is used."""

    def __init__(self) -> None:
        self.splits_of: dict[str, dict[str, set[str]]] = {"sound": defaultdict(set), "group": defaultdict(set)}
        self._ids: dict[str, str] = {}

    def add(self, split: str, rows: Sequence[dict[str, Any]]) -> None:
        """Add the sounds in the index of a shard."""
        for row in rows:
            for source in row["sources"]:
                self.splits_of["sound"][source["sha256"]].add(split)
                self.splits_of["group"][source["group"]].add(split)
                self._ids[source["sha256"]] = source["id"]

    def find_overlaps(self) -> Iterator[Finding]:
        """Yield a finding for each sound and each group that is used in several splits."""
        for unit, splits_of in self.splits_of.items():
            for name, splits in sorted(splits_of.items()):
                if len(splits) > 1:
                    about = f"{unit} {self._ids.get(name, name)}"
                    yield Finding(about=about, found=f"used in {' and '.join(sorted(splits))}")
