"""Verify the tokens of a data set: checksums, shapes, value ranges, and that they belong to its pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import RmodError
from rmod_pipeline.inspection.findings import ExpectedContent, Finding, VerifyReport
from rmod_pipeline.inspection.shard_checks import check_receipt_and_files, matches_index
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import TOKENS, Layout, ShardPlan
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location, StoreError


def verify_tokens(out: Location, expected: ExpectedContent, report: VerifyReport) -> None:
    """Check every token family of a data set, and add the results to the report."""
    layout = Layout(out).with_listing()
    report.findings += _find_unnamed_folders(layout)
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
            findings = list(_check_token_receipt(path, family, layout, expected, report))
            report.findings += findings
            report.damaged += [layout.relative(path)] if findings else []
        report.findings += _find_missing_and_stray_tokens(family, layout, expected)


def _find_unnamed_folders(layout: Layout) -> Iterator[Finding]:
    """Yield a finding for each folder of tokens without codec.json, which no reader can use."""
    if not isinstance(layout.out, Path):
        return  # an object store has no folders, only common prefixes of names
    named = set(family_names(layout.out))
    for folder in sorted((layout.out / TOKENS).glob("*")):
        if folder.is_dir() and folder.name not in named:
            found = "has no codec.json: run the encode or build command again, or remove it and its receipts"
            yield Finding(about=layout.relative(folder), found=found)


def _check_family(family: TokenFamily, folder: str, expected: ExpectedContent) -> Iterator[Finding]:
    """Yield what is wrong with a codec.json."""
    about = f"{TOKENS}/{folder}/codec.json"
    if family.name != folder:
        yield Finding(about=about, found=f"is that of {family.name}, but its folder is {folder}")
    if family.build != expected.digest:
        yield Finding(about=about, found="its tokens belong to another build.json")
        return
    try:
        windows = TokenFamily.of(Recipe.model_validate(expected.recipe), family.codec, family.build).windows
    except (RmodError, ValueError, KeyError, TypeError) as error:
        yield Finding(about=about, found=f"does not fit the recipe: {error}")
        return
    if dict(family.windows) != dict(windows):
        yield Finding(about=about, found=f"windows {dict(family.windows)}, those of the recipe are {dict(windows)}")


def _check_token_receipt(
    path: Location, family: TokenFamily, layout: Layout, expected: ExpectedContent, report: VerifyReport
) -> Iterator[Finding]:
    """Check the token shard of a receipt, and count its pairs."""
    try:
        receipt = read_receipt(path)
        plan = expected.plans.get(path.stem)
        if plan is None or (receipt.shard, receipt.family) != (path.stem, family.folder):
            yield Finding(about=layout.relative(path), found="not the receipt of a shard of this data set")
            return
        yield from _check_token_shard(receipt, plan, family, layout, expected)
        report.tokens[family.name] += receipt.pairs
    except StoreError:
        raise
    except RmodError as error:
        yield Finding(about=error.about, found=error.found)


def _check_token_shard(
    receipt: Receipt, plan: ShardPlan, family: TokenFamily, layout: Layout, expected: ExpectedContent
) -> Iterator[Finding]:
    about = f"{family.folder}/{receipt.shard}"
    if receipt.fingerprint != family.digest():
        yield Finding(about=about, found="its receipt belongs to another codec.json")
    tar = layout.tar(receipt.shard, family.folder)
    findings = check_receipt_and_files(receipt, plan, [layout.relative(tar)], layout, about)
    yield from findings
    if findings:
        return
    rows = {row["key"]: row for row in read_index(layout.index(receipt.shard)) if row["status"] == PAIR}
    keys: list[str] = []
    for key, members in read_tar(tar):
        keys.append(key)
        if key in rows:
            yield from _check_pair_tokens(f"{about}: {key}", members, rows[key], family, expected)
    if keys != list(rows) or receipt.pairs != len(rows):
        yield Finding(about=about, found="its keys are not those of the index, in that order")


def _check_pair_tokens(
    about: str, members: Mapping[str, bytes], row: Mapping[str, Any], family: TokenFamily, expected: ExpectedContent
) -> Iterator[Finding]:
    if list(members) != family.members():
        found = f"holds {', '.join(members)}; codec.json requires {', '.join(family.members())}"
        yield Finding(about=about, found=found)
        return
    books, size = family.shape
    for sound, frames in family.windows.items():
        codes = decode_codes(members[f"{sound}.npy"], f"{about}.{sound}.npy")
        if codes.shape != (books, frames):
            found = f"{sound} is {list(codes.shape)}, codec.json requires {[books, frames]}"
            yield Finding(about=about, found=found)
        elif codes.size and int(codes.max()) >= size:
            yield Finding(about=about, found=f"{sound} has token {codes.max()}, the codebooks hold 0 to {size - 1}")
    if not matches_index(members["json"], row, expected) or not _matches_family(members["json"], family):
        yield Finding(about=about, found="its JSON disagrees with the index or with codec.json")


def _matches_family(text: bytes, family: TokenFamily) -> bool:
    """Return whether the JSON of a pair names the codec, and has valid frames of every sound."""
    try:
        tokens = json.loads(text)["tokens"]
        frames = tokens["frames"]
        return (
            tokens["codec"] == family.name
            and list(frames) == list(family.windows)
            and all(0 < frames[sound] <= window for sound, window in family.windows.items())
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False


def _find_missing_and_stray_tokens(family: TokenFamily, layout: Layout, expected: ExpectedContent) -> Iterator[Finding]:
    encoded = {path.stem for path in layout.receipts(family.folder)}
    finished = [path.stem for path in layout.receipts(expected.family)]
    missing = [shard for shard in finished if shard not in encoded]
    if missing:
        found = f"{len(missing)} of {len(finished)} shards have no tokens yet, {missing[0]} the first"
        yield Finding(about=family.folder, found=f"{found}: run the encode or build command again")
    for path in sorted([*(layout.out / family.folder).glob("*.tar")], key=str):
        if path.stem not in encoded:
            found = "has no receipt: finish the encoding, or remove the file"
            yield Finding(about=layout.relative(path), found=found)
