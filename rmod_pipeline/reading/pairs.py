"""Read single pairs, keys and licences from a finished or unfinished data set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.errors import ShardError, nearest, quote
from rmod_pipeline.reading.shard_list import HINT, verify_hint
from rmod_pipeline.shards.families import find_any_folder
from rmod_pipeline.shards.fingerprint import is_imported, read_fingerprint
from rmod_pipeline.shards.index import ORIGINAL_KEY, PAIR, read_index
from rmod_pipeline.shards.layout import TOKENS, Layout, main_family, parse_key, shard_name
from rmod_pipeline.shards.members import check_kinds
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_members
from rmod_pipeline.shards.token_family import TokenFamily, read_family
from rmod_pipeline.spec import PairSpec, SpecError
from rmod_pipeline.storage import Location

MAX_FRAMES = 60 * 192_000
"""The longest mixture that a recipe allows, at the highest sample rate."""

_SPEC_HINT = "use the .json that the build stored with the pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """The files of one pair in a tar."""

    key: str
    members: Mapping[str, bytes]
    """The files by suffix: mix.wav, kick.wav, ..., stem-kick.wav, mid, json."""

    def description(self) -> dict[str, Any]:
        """Return the pair's JSON with the keys spec, measured and sources. Raises ShardError."""
        try:
            content = json.loads(self.members["json"])
            content["spec"], content["measured"], content["sources"]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise ShardError(f"{self.key}.json", f"not the description of a pair: {error!r}", HINT) from error
        return dict(content)

    def spec(self) -> PairSpec:
        """Return the spec of the pair. Raises ShardError or SpecError."""
        return PairSpec.from_json(json.dumps(self.description()["spec"]), f"{self.key}.json")


def parse_pair_spec(text: bytes, about: object) -> PairSpec:
    """Return the spec from the JSON of a pair, or from JSON that holds only a spec; ``about`` names it in errors.

    Raises SpecError, also for a spec longer than any recipe allows, so that an untrusted file cannot exhaust memory.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None  # PairSpec.from_json reports the problem
    nested = content.get("spec") if isinstance(content, dict) else None
    spec = PairSpec.from_json(text if nested is None else json.dumps(nested), about)
    for name, frames in _list_lengths(spec):
        if frames > MAX_FRAMES:
            raise SpecError(about, f"{name}: {frames} frames, at most {MAX_FRAMES} are allowed", _SPEC_HINT)
    kinds = Counter(track.kind for track in spec.tracks)
    if kinds and max(kinds.values()) > 1:
        raise SpecError(about, f"two tracks are called {kinds.most_common(1)[0][0]}", _SPEC_HINT)
    check_kinds(kinds, about)
    return spec


def _list_lengths(spec: PairSpec) -> Iterator[tuple[str, int]]:
    yield "settings.frames", spec.settings.frames
    for loop in spec.loops:
        yield f"loops.{loop.kind}.period_frames", loop.period_frames


def read_receipts(out: Location) -> list[Receipt]:
    """Return the receipts of the finished shards, in order. Raises ShardError if there is none."""
    receipts = [read_receipt(path) for path in Layout(out).with_listing().main_receipts()]
    if not receipts:
        hint = "give the folder that a build wrote; a build that has just begun has no finished shard yet"
        raise ShardError(out, "no finished shards here", hint)
    return receipts


def list_keys(out: Location, split: str | None = None) -> list[str]:
    """Return the keys of all finished pairs, or of those of one split, in the order of shards. Raises ShardError."""
    receipts = [receipt for receipt in read_receipts(out) if split in (None, receipt.split)]
    if not receipts:
        splits = sorted({receipt.split for receipt in read_receipts(out)})
        raise ShardError(
            out, f"no pairs of split {split!r}{nearest(str(split), splits)}", f"choose {', '.join(splits)}"
        )
    rows = (row for receipt in receipts for row in read_index(Layout(out).index(receipt.shard), ["key", "status"]))
    return [row["key"] for row in rows if row["status"] == PAIR]


def read_original_keys(out: Location) -> dict[str, str]:
    """Return the name of each imported pair in its folder, by its key; empty for a data set that was built."""
    layout = Layout(out)
    if not is_imported(read_fingerprint(layout.build)):
        return {}
    columns = ["key", "status", ORIGINAL_KEY]
    rows = (row for receipt in read_receipts(out) for row in read_index(layout.index(receipt.shard), columns))
    return {row["key"]: row[ORIGINAL_KEY] for row in rows if row["status"] == PAIR}


def pick_evenly(keys: Sequence[str], count: int) -> list[str]:
    """Return ``count`` evenly spaced keys, beginning with the first; all keys if there are fewer."""
    count = min(count, len(keys))
    return [keys[number * len(keys) // count] for number in range(count)]


def count_licences(out: Location) -> Counter[str]:
    """Return the number of different sounds in the finished pairs, by licence. Raises ShardError."""
    licences: dict[str, str] = {}
    for receipt in read_receipts(out):
        for row in read_index(Layout(out).index(receipt.shard), ["sources"]):
            licences |= {source["sha256"]: source["licence"] for source in row["sources"]}
    return Counter(licences.values())


def read_pair(out: Location, key: str) -> StoredPair:
    """Return one pair; from a data set without audio, its JSON and its tokens, or its features without tokens.

    Raises ShardError for a key that is not in the data set.
    """
    split, index = parse_key(key)
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    shard = shard_name(index, split, fingerprint["shard_size"])
    path = layout.receipt(shard, main_family(fingerprint["audio"]))
    if path.exists():
        if key in read_receipt(path).absent:
            found = "is absent: every attempt was rejected, or the release was cut"
            raise ShardError(key, found, f"`rmod show {quote(out)} --keys` lists the pairs")
        if not fingerprint["audio"]:
            return StoredPair(key=key, members=_read_window_members(out, key, shard))
        members = read_members(layout.tar(shard), key)
        if members:
            return StoredPair(key=key, members=members)
    keys = list_keys(out)
    available = f"which holds {len(keys)} from {keys[0]} to {keys[-1]}" if keys else "which is empty"
    raise ShardError(key, f"no such pair in {out}, {available}", f"`rmod show {quote(out)} --keys` lists the pairs")


def read_index_row(out: Location, key: str) -> dict[str, Any]:
    """Return the row of a pair in the index. Raises ShardError."""
    split, index = parse_key(key)
    layout = Layout(out)
    shard = shard_name(index, split, read_fingerprint(layout.build)["shard_size"])
    for row in read_index(layout.index(shard)):
        if row["key"] == key and row["status"] == PAIR:
            return row
    raise ShardError(key, f"not in index/{shard}.parquet", verify_hint(out))


def _read_window_members(out: Location, key: str, shard: str) -> dict[str, bytes]:
    """Return the files of a pair in a data set without audio: its tokens, or its features where it has no tokens."""
    folder = find_any_folder(out)
    top, _, name = folder.partition("/")
    if top == TOKENS:
        return read_pair_tokens(out, key, read_family(out, name))
    tar = Layout(out).tar(shard, folder)
    members = read_members(tar, key) if tar.is_file() else {}
    if not members:
        raise ShardError(key, f"no features of it in {out}/{folder}", "give the build command again with --features")
    return members


def read_pair_tokens(out: Location, key: str, family: TokenFamily) -> dict[str, bytes]:
    """Return the token files of a pair by suffix. Raises ShardError for a key that is not in the data set."""
    split, index = parse_key(key)
    layout = Layout(out)
    shard = shard_name(index, split, int(read_fingerprint(layout.build)["shard_size"]))
    tar = layout.tar(shard, family.folder)
    members = read_members(tar, key) if tar.is_file() else {}
    if not members:
        found = f"no tokens of it in {out}/{family.folder}"
        encode = f"`rmod encode {quote(out)} --codec CODEC` encodes those without tokens"
        hint = f"`rmod show {quote(out)} --keys` lists the pairs; {encode}"
        raise ShardError(key, found, hint)
    return members
