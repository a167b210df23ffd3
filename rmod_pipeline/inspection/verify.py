"""Is a data set what its receipts say? Checksums, tars, index, splits; and some pairs rendered again."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rmod_pipeline.errors import RmodError, ShardError
from rmod_pipeline.shards.fingerprint import fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import AUDIO, INDEX, Layout, ShardPlan, main_family, plan_shards
from rmod_pipeline.shards.members import AudioStorage, list_members
from rmod_pipeline.shards.receipt import FileRecord, Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.storage import Location, StoreError
from rmod_pipeline.storage.publish import file_digest

Rows = list[dict[str, Any]]

_LEVELS = ("lufs", "peak_dbfs", "rms_dbfs", "side_mid_db", "full_scale_share")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be."""

    about: str
    found: str

    def __str__(self) -> str:
        return f"{self.about}: {self.found}"


@dataclass(slots=True)
class VerifyReport:
    """What a verification saw."""

    shards: int = 0
    pairs: int = 0
    rejects: int = 0
    sources: int = 0
    findings: list[Finding] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """The pairs of shards that could be read, whatever was found of them."""
    tokens: dict[str, int] = field(default_factory=dict)
    """How many pairs have tokens, by codec."""
    damaged: list[str] = field(default_factory=list)
    """Receipts, relative to the folder, of the shards that something was found of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a data set's build.json says of its shards."""

    digest: str
    recipe: Mapping[str, Any]
    family: str
    """Of the receipts that say that a shard of pairs is done."""
    plans: dict[str, ShardPlan]
    members: list[str]
    seed: int
    engine: str

    @classmethod
    def of(cls, fingerprint: Mapping[str, Any]) -> Expected:
        recipe = fingerprint["recipe"]
        targets = [kind for kind, drum in recipe["drums"].items() if drum["target"]]
        stems = (*recipe["drums"], *recipe["loops"]) if fingerprint["stems"] else ()
        return cls(
            digest=fingerprint_digest(fingerprint),
            recipe=recipe,
            family=main_family(fingerprint["audio"]),
            plans={plan.name: plan for plan in plan_shards(fingerprint["pairs"], fingerprint["shard_size"])},
            members=list_members(targets, AudioStorage(audio_format=fingerprint["format"], stem_kinds=stems)),
            seed=fingerprint["seed"],
            engine=fingerprint["engine"],
        )


def verify_shards(out: Location, on_shard: Callable[[int, int], None] | None = None) -> VerifyReport:
    """Check every finished shard, that all shards are there, and that no sound is on two sides of a split.

    ``on_shard`` is told how many shards are done, of how many. Raises ShardError if there is no data set at all.
    """
    expected = expectations(out)
    layout = Layout(out).with_receipts(expected.plans, [expected.family])
    report, sides = VerifyReport(), _Sides()
    paths = layout.receipts(expected.family)
    for done, path in enumerate(paths):
        if on_shard:
            on_shard(done, len(paths))
        findings = list(_check_receipt(path, layout, expected, report, sides))
        report.findings += findings
        report.damaged += [layout.relative(path)] if findings else []
    there = {path.stem for path in paths}
    report.findings += [*_gaps(expected.plans, there), *_strays(layout, there), *sides.findings()]
    report.sources = len(sides.splits_of["sound"])
    return report


def expectations(out: Location) -> Expected:
    """Return what a data set's build.json says of its shards. Raises ShardError."""
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    try:
        return Expected.of(fingerprint)
    except (KeyError, TypeError, AttributeError) as error:
        hint = "restore it, or build the data set again in another folder"
        raise ShardError(layout.build, f"not a build.json: {error!r}", hint) from error


def _check_receipt(
    path: Location, layout: Layout, expected: Expected, report: VerifyReport, sides: _Sides
) -> Iterator[Finding]:
    try:
        receipt = read_receipt(path)
        plan = expected.plans.get(path.stem)
        if plan is None or (receipt.shard, receipt.family) != (path.stem, expected.family):
            yield Finding(about=layout.relative(path), found="the receipt of no shard of this data set")
            return
        yield from check_shard(receipt, plan, layout, expected)
        rows = read_index(layout.index(receipt.shard))
    except StoreError:
        raise  # a store that cannot be read says nothing about the data set
    except RmodError as error:
        yield Finding(about=error.about, found=error.found)
        return
    except (KeyError, TypeError, ValueError) as error:  # a row that no build of ours writes
        yield Finding(about=f"index/{path.stem}.parquet", found=f"not the index of a shard: {error!r}")
        return
    _count(report, receipt, rows)
    sides.add(receipt.split, rows)


def check_shard(receipt: Receipt, plan: ShardPlan, layout: Layout, expected: Expected) -> Iterator[Finding]:
    """Yield what is wrong with a shard: its receipt, its files, its index, its tar. Raises ShardError."""
    if receipt.fingerprint != expected.digest:
        yield Finding(about=receipt.shard, found="its receipt belongs to another build.json")
    if (receipt.split, receipt.first, receipt.count) != (plan.split, plan.first, plan.count):
        yield Finding(about=receipt.shard, found="its receipt does not hold the pairs that build.json gives it")
        return
    kept = [layout.tar(plan.name)] if expected.family == AUDIO else []
    files = [layout.relative(path) for path in (*kept, layout.index(plan.name))]
    if [file.path for file in receipt.files] != files:
        yield Finding(about=receipt.shard, found=f"its receipt does not vouch for {' and '.join(files)}")
        return
    damaged = [finding for file in receipt.files for finding in check_file(file, layout)]
    yield from damaged
    if damaged:
        return  # what follows would only say the same again
    rows = read_index(layout.index(receipt.shard))
    yield from _check_index(receipt, plan, rows)
    if kept:
        yield from _check_tar(layout.tar(receipt.shard), rows, expected)


def check_file(file: FileRecord, layout: Layout) -> Iterator[Finding]:
    """Yield what is wrong with a file that a receipt vouches for."""
    path = layout.out / file.path
    if not path.is_file():
        yield Finding(about=file.path, found="missing")
    elif path.stat().st_size != file.bytes:
        yield Finding(about=file.path, found=f"{path.stat().st_size} bytes, its receipt says {file.bytes}")
    elif file_digest(path) != file.sha256:
        yield Finding(about=file.path, found="its bytes are not those that its receipt vouches for")


def _check_index(receipt: Receipt, plan: ShardPlan, rows: Rows) -> Iterator[Finding]:
    """Yield a finding for what the index and the receipt say differently, or what neither may say."""
    attempts: dict[str, list[tuple[int, bool]]] = {f"{plan.split}-{i:08d}": [] for i in plan.indices}
    rejects = Counter[str]()
    for row in rows:
        if row["key"] != f"{row['split']}-{row['index']:08d}" or row["key"] not in attempts:
            yield Finding(about=f"{receipt.shard}: {row['key']}", found="stands in its index and is none of its pairs")
            continue
        attempts[row["key"]].append((row["attempt"], row["status"] == PAIR))
        rejects[str(row["reason"])] += row["status"] != PAIR
        if row["licences"] != sorted({source["licence"] for source in row["sources"]}):
            yield Finding(about=f"{receipt.shard}: {row['key']}", found="its licences are not those of its sounds")
    for key, tried in attempts.items():
        # Attempts follow one another, all rejected but the last; only an absent key has no pair at the end.
        outcome = [False] * (len(tried) - 1) + [key not in receipt.absent]
        if tried != list(enumerate(outcome)):
            yield Finding(about=f"{receipt.shard}: {key}", found="the index does not tell one story of its attempts")
    pairs = sum(row["status"] == PAIR for row in rows)
    if (pairs, dict(+rejects)) != (receipt.pairs, receipt.rejects) or pairs + len(receipt.absent) != plan.count:
        yield Finding(about=receipt.shard, found=f"{pairs} pairs in the index, {receipt.pairs} in the receipt")


def _check_tar(path: Location, rows: Rows, expected: Expected) -> Iterator[Finding]:
    wanted = {row["key"]: row for row in rows if row["status"] == PAIR}
    keys: list[str] = []
    for key, members in read_tar(path):
        keys.append(key)
        if key in wanted:
            yield from _check_members(f"{path.name}: {key}", members, wanted[key], expected)
    if keys != list(wanted):
        yield Finding(about=path.name, found="its keys are not those of the index, in that order")


def _check_members(
    about: str, members: Mapping[str, bytes], row: dict[str, Any], expected: Expected
) -> Iterator[Finding]:
    if list(members) != expected.members:
        yield Finding(
            about=about, found=f"holds {', '.join(members)}; build.json asks for {', '.join(expected.members)}"
        )
    found = [
        {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    ]
    if found != row["members"]:
        yield Finding(about=about, found="its files are not those that the index names")
    elif "json" in members and not tells(members["json"], row, expected):
        yield Finding(about=about, found="its JSON and its row in the index do not tell the same")


def tells(text: bytes, row: Mapping[str, Any], expected: Expected) -> bool:
    """Return whether a pair's JSON says what its row in the index and build.json say."""
    try:
        content = json.loads(text)
        spec, address = content["spec"], content["spec"]["address"]
        played = [
            (drum["kind"], layer["asset"], layer["sha256"]) for drum in spec["drums"] for layer in drum["layers"]
        ] + [(loop["kind"], loop["asset"], loop["sha256"]) for loop in spec["loops"]]
        return (
            address == {"seed": expected.seed, **{name: row[name] for name in ("split", "index", "attempt")}}
            and spec["settings"]["engine"] == expected.engine
            and [(source["kind"], source["id"], source["sha256"]) for source in content["sources"]] == played
            and content["sources"] == row["sources"]
            and {name: content["measured"]["mix"][name] for name in _LEVELS} == {name: row[name] for name in _LEVELS}
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _count(report: VerifyReport, receipt: Receipt, rows: Rows) -> None:
    report.shards += 1
    report.pairs += receipt.pairs
    report.rejects += sum(receipt.rejects.values())
    report.keys += [row["key"] for row in rows if row["status"] == PAIR]


def _gaps(plans: Mapping[str, ShardPlan], there: set[str]) -> Iterator[Finding]:
    """Yield a finding for each split whose shards are not all there."""
    for split in dict.fromkeys(plan.split for plan in plans.values()):
        expected = [name for name, plan in plans.items() if plan.split == split]
        missing = [shard for shard in expected if shard not in there]
        if missing:
            found = f"{len(missing)} of {len(expected)} shards are not made yet, {missing[0]} the first"
            yield Finding(about=f"split {split}", found=f"{found}: give the build command again")


def _strays(layout: Layout, there: set[str]) -> Iterator[Finding]:
    """Yield a finding for each file that a reader of all tars would take for finished."""
    for path in sorted((*(layout.out / AUDIO).glob("*.tar"), *(layout.out / INDEX).glob("*.parquet")), key=str):
        if path.stem not in there:
            yield Finding(
                about=layout.relative(path), found="no receipt vouches for it: finish the build, or remove it"
            )


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
