"""Read pairs back from a finished or half-finished data set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rmod_pipeline.errors import ShardError, nearest
from rmod_pipeline.shards.fingerprint import read_fingerprint
from rmod_pipeline.shards.index import PAIR, read_index
from rmod_pipeline.shards.layout import Layout, main_family, parse_key, shard_name
from rmod_pipeline.shards.members import check_kinds
from rmod_pipeline.shards.receipt import Receipt, read_receipt
from rmod_pipeline.shards.tar import read_members
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.spec import PairSpec, SpecError
from rmod_pipeline.storage import Location

MOST_FRAMES = 60 * 192_000
"""Of a mixture: the longest at the highest rate that a recipe may ask for."""

HINT = "use the .json that stands beside a pair"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """A pair as it stands in a tar."""

    key: str
    members: Mapping[str, bytes]
    """Files by suffix: mix.wav, kick.wav, ..., stem-kick.wav, mid, json."""

    def description(self) -> dict[str, Any]:
        """Return the pair's JSON: spec, measured, sources. Raises ShardError."""
        try:
            content = json.loads(self.members["json"])
            content["spec"], content["measured"], content["sources"]
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            hint = "`rmod verify OUT` says what is damaged"
            raise ShardError(f"{self.key}.json", f"not the description of a pair: {error!r}", hint) from error
        return dict(content)

    def spec(self) -> PairSpec:
        """Return what the pair was to be. Raises ShardError or SpecError."""
        return PairSpec.from_json(json.dumps(self.description()["spec"]), f"{self.key}.json")


def spec_in(text: bytes, about: object) -> PairSpec:
    """Return the spec in a pair's JSON, or in a file that holds the spec alone.

    Raises SpecError, for a spec longer than any recipe can ask for too: a file from elsewhere may not eat the memory.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None  # PairSpec.from_json says what is wrong
    inner = content.get("spec") if isinstance(content, dict) else None
    spec = PairSpec.from_json(text if inner is None else json.dumps(inner), about)
    for name, frames in _lengths(spec):
        if frames > MOST_FRAMES:
            raise SpecError(about, f"{name}: {frames} frames, at most {MOST_FRAMES} can be", HINT)
    kinds = Counter(track.kind for track in spec.tracks)
    if kinds and max(kinds.values()) > 1:
        raise SpecError(about, f"two tracks are called {kinds.most_common(1)[0][0]}", HINT)
    check_kinds(kinds, about)
    return spec


def _lengths(spec: PairSpec) -> Iterator[tuple[str, int]]:
    yield "settings.frames", spec.settings.frames
    for loop in spec.loops:
        yield f"loops.{loop.kind}.period_frames", loop.period_frames


def read_receipts(out: Location) -> list[Receipt]:
    """Return the receipts that say which shards are done, in order. Raises ShardError where there is none."""
    receipts = [read_receipt(path) for path in Layout(out).with_listing().main_receipts()]
    if not receipts:
        hint = "give the folder that `rmod build --out` wrote; a build that has just begun has no finished shard yet"
        raise ShardError(out, "no finished shards here", hint)
    return receipts


def list_keys(out: Location, split: str | None = None) -> list[str]:
    """Return the keys of all finished pairs, in order of shards; of one split if it is given. Raises ShardError."""
    receipts = [receipt for receipt in read_receipts(out) if split in (None, receipt.split)]
    if not receipts:
        splits = sorted({receipt.split for receipt in read_receipts(out)})
        raise ShardError(
            out, f"no pairs of split {split!r}{nearest(str(split), splits)}", f"it has {', '.join(splits)}"
        )
    rows = (row for receipt in receipts for row in read_index(Layout(out).index(receipt.shard), ["key", "status"]))
    return [row["key"] for row in rows if row["status"] == PAIR]


def list_licences(out: Location) -> Counter[str]:
    """Return how many different sounds of the finished pairs there are of each licence. Raises ShardError."""
    licences: dict[str, str] = {}
    for receipt in read_receipts(out):
        for row in read_index(Layout(out).index(receipt.shard), ["sources"]):
            licences |= {source["sha256"]: source["licence"] for source in row["sources"]}
    return Counter(licences.values())


def read_pair(out: Location, key: str) -> StoredPair:
    """Return one pair; of a data set that keeps no sound, its tokens and its JSON.

    Raises ShardError for a key that the data set lacks.
    """
    split, index = parse_key(key)
    layout = Layout(out)
    fingerprint = read_fingerprint(layout.build)
    shard = shard_name(index, split, fingerprint["shard_size"])
    path = layout.receipt(shard, main_family(fingerprint["audio"]))
    if path.exists():
        if key in read_receipt(path).absent:
            raise ShardError(key, "is absent: every attempt was rejected", "see the rejects in the index")
        if not fingerprint["audio"]:
            return StoredPair(key=key, members=read_pair_tokens(out, key, read_family(out, _any_family(out))))
        members = read_members(layout.tar(shard), key)
        if members:
            return StoredPair(key=key, members=members)
    keys = list_keys(out)
    found = (
        f"no such pair in {out}, which holds {len(keys)} from {keys[0]} to {keys[-1]}" if keys else f"{out} is empty"
    )
    raise ShardError(key, found, "`rmod show OUT --keys` lists what there is")


def read_row(out: Location, key: str) -> dict[str, Any]:
    """Return a pair's row in the index. Raises ShardError."""
    split, index = parse_key(key)
    layout = Layout(out)
    shard = shard_name(index, split, read_fingerprint(layout.build)["shard_size"])
    for row in read_index(layout.index(shard)):
        if row["key"] == key and row["status"] == PAIR:
            return row
    raise ShardError(key, f"not in index/{shard}.parquet", "`rmod verify OUT` says what is damaged")


def _any_family(out: Location) -> str:
    """Return the name of one of the families of tokens: their JSON tells the same of a pair."""
    names = family_names(out)
    if not names:
        raise ShardError(out, "keeps neither sound nor tokens", "give the build command again")
    return names[0]


def read_pair_tokens(out: Location, key: str, family: TokenFamily) -> dict[str, bytes]:
    """Return the files of a pair's tokens by suffix. Raises ShardError for a key that the data set lacks."""
    split, index = parse_key(key)
    layout = Layout(out)
    shard = shard_name(index, split, int(read_fingerprint(layout.build)["shard_size"]))
    tar = layout.tar(shard, family.folder)
    members = read_members(tar, key) if tar.is_file() else {}
    if not members:
        found = f"no tokens of it in {out}/{family.folder}"
        raise ShardError(key, found, "`rmod show OUT --keys` lists the pairs; `rmod encode OUT` makes what is missing")
    return members
