"""Are the tokens of a data set what their receipts say? Checksums, shapes, ranges, and the pairs they belong to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import RmodError
from rmod_pipeline.inspection.verify import Expected, Finding, VerifyReport, check_file, tells
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import TOKENS, Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location, StoreError


def verify_tokens(out: Location, expected: Expected, report: VerifyReport) -> None:
    """Check every family of tokens, and add what was found to the report."""
    layout = Layout(out).with_listing()
    report.findings += _nameless(layout)
    for name in family_names(out):
        try:
            family = read_family(out, name)
        except StoreError:
            raise
        except RmodError as error:
            report.findings.append(Finding(about=f"{TOKENS}/{name}", found=error.found))
            continue
        report.findings += _check_family(family, name, expected)
        report.tokens[name] = 0
        for path in layout.receipts(f"{TOKENS}/{name}"):
            findings = list(_check_receipt(path, family, layout, expected, report))
            report.findings += findings
            report.damaged += [layout.relative(path)] if findings else []
        report.findings += _gaps_and_strays(family, layout, expected)


def _nameless(layout: Layout) -> Iterator[Finding]:
    """Yield a finding for each folder of tokens that does not say what they are: nothing reads it."""
    if not isinstance(layout.out, Path):
        return  # a store has no folders, only names that begin alike
    told = set(family_names(layout.out))
    for folder in sorted((layout.out / TOKENS).glob("*")):
        if folder.is_dir() and folder.name not in told:
            found = "has no codec.json: give the encode or build command again, or remove it and its receipts"
            yield Finding(about=layout.relative(folder), found=found)


def _check_family(family: TokenFamily, folder: str, expected: Expected) -> Iterator[Finding]:
    about = f"{TOKENS}/{folder}/codec.json"
    if family.name != folder:
        yield Finding(about=about, found=f"tells of {family.name}, and lies in the folder of {folder}")
    if family.build != expected.digest:
        yield Finding(about=about, found="its tokens belong to another build.json")
        return
    try:
        wanted = TokenFamily.of(Recipe.model_validate(expected.recipe), family.codec, family.build).windows
    except (RmodError, ValueError, KeyError, TypeError) as error:
        yield Finding(about=about, found=f"does not fit the recipe: {error}")
        return
    if dict(family.windows) != dict(wanted):
        yield Finding(about=about, found=f"windows {dict(family.windows)}, the recipe's are {dict(wanted)}")


def _check_receipt(
    path: Location, family: TokenFamily, layout: Layout, expected: Expected, report: VerifyReport
) -> Iterator[Finding]:
    try:
        receipt = read_receipt(path)
        plan = expected.plans.get(path.stem)
        if plan is None or (receipt.shard, receipt.family) != (path.stem, family.folder):
            yield Finding(about=layout.relative(path), found="the receipt of no shard of this data set")
            return
        yield from _check_shard(receipt, plan, family, layout, expected)
        report.tokens[family.name] += receipt.pairs
    except StoreError:
        raise
    except RmodError as error:
        yield Finding(about=error.about, found=error.found)


def _check_shard(
    receipt: Receipt, plan: ShardPlan, family: TokenFamily, layout: Layout, expected: Expected
) -> Iterator[Finding]:
    about = f"{family.folder}/{receipt.shard}"
    if receipt.fingerprint != family.digest():
        yield Finding(about=about, found="its receipt belongs to another codec.json")
    if (receipt.split, receipt.first, receipt.count) != (plan.split, plan.first, plan.count):
        yield Finding(about=about, found="its receipt does not hold the pairs that build.json gives it")
        return
    tar = layout.tar(receipt.shard, family.folder)
    if [file.path for file in receipt.files] != [layout.relative(tar)]:
        yield Finding(about=about, found=f"its receipt does not vouch for {layout.relative(tar)}")
        return
    damaged = [finding for file in receipt.files for finding in check_file(file, layout)]
    yield from damaged
    if damaged:
        return
    rows = {row["key"]: row for row in read_index(layout.index(receipt.shard)) if row["status"] == PAIR}
    keys: list[str] = []
    for key, members in read_tar(tar):
        keys.append(key)
        if key in rows:
            yield from _check_members(f"{about}: {key}", members, rows[key], family, expected)
    if keys != list(rows) or receipt.pairs != len(rows):
        yield Finding(about=about, found="its keys are not those of the index, in that order")


def _check_members(
    about: str, members: Mapping[str, bytes], row: Mapping[str, Any], family: TokenFamily, expected: Expected
) -> Iterator[Finding]:
    if list(members) != family.members():
        yield Finding(
            about=about, found=f"holds {', '.join(members)}; codec.json asks for {', '.join(family.members())}"
        )
        return
    books, size = family.shape
    for sound, frames in family.windows.items():
        codes = decode_codes(members[f"{sound}.npy"], f"{about}.{sound}.npy")
        if codes.shape != (books, frames):
            yield Finding(about=about, found=f"{sound} is {list(codes.shape)}, codec.json asks for {[books, frames]}")
        elif codes.size and int(codes.max()) >= size:
            yield Finding(about=about, found=f"{sound} has token {codes.max()}, the codebooks hold 0 to {size - 1}")
    if not tells(members["json"], row, expected) or not _tells_tokens(members["json"], family):
        yield Finding(about=about, found="its JSON does not tell what the index and codec.json tell")


def _tells_tokens(text: bytes, family: TokenFamily) -> bool:
    try:
        said = json.loads(text)["tokens"]
        frames = said["frames"]
        return (
            said["codec"] == family.name
            and list(frames) == list(family.windows)
            and all(0 < frames[sound] <= most for sound, most in family.windows.items())
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _gaps_and_strays(family: TokenFamily, layout: Layout, expected: Expected) -> Iterator[Finding]:
    there = {path.stem for path in layout.receipts(family.folder)}
    finished = [path.stem for path in layout.receipts(expected.family)]
    missing = [shard for shard in finished if shard not in there]
    if missing:
        found = f"{len(missing)} of {len(finished)} shards have no tokens yet, {missing[0]} the first"
        yield Finding(about=family.folder, found=f"{found}: give the encode or build command again")
    for path in sorted([*(layout.out / family.folder).glob("*.tar")], key=str):
        if path.stem not in there:
            found = "no receipt vouches for it: finish the encoding, or remove it"
            yield Finding(about=layout.relative(path), found=found)
