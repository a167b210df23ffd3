"""Define the file layout of a data set, its shards and its keys.

OUT/build.json                          the fingerprint of the data set
OUT/audio/train-000000.tar              KEY.mix.wav KEY.kick.wav ... KEY.mid KEY.json; absent in a build without audio
OUT/tokens/CODEC/codec.json             the fingerprint of the tokens
OUT/tokens/CODEC/train-000000.tar       KEY.mix.npy KEY.kick.npy ... KEY.json
OUT/features/MEL/features.json          the fingerprint of the features
OUT/features/MEL/train-000000.tar       KEY.mix.npy KEY.kick.npy ... KEY.json
OUT/index/train-000000.parquet          one row per pair and one per reject
OUT/receipts/FAMILY/train-000000.json   written last: this shard of this family is done
OUT/log/                                events, leases, drafts: the only part that may differ between equal builds
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rmod_pipeline.errors import ShardError
from rmod_pipeline.spec import PairId
from rmod_pipeline.storage import Location, StorePath, with_listing, with_prefetched, without_cache
from rmod_pipeline.storage.folders import cache_folder

AUDIO = "audio"
"""The family of shards that hold audio."""

INDEX = "index"
"""The family of a build that keeps no audio: its receipts cover the index alone."""

TOKENS = "tokens"
"""The folder of the families that hold tokens, one per codec."""

FEATURES = "features"
"""The folder of the families that hold features, one per definition."""


def main_family(audio: bool) -> str:
    """Return the family whose receipts say that a shard of pairs is done, for a data set with or without audio."""
    return AUDIO if audio else INDEX


_KEY = re.compile(r"([a-z]+)-([0-9]{8})")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ShardPlan:
    """Some consecutive pairs of one split: the unit of work, of retry and of resume."""

    split: str
    number: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """The name of the shard, such as ``train-000000``."""
        return f"{self.split}-{self.number:06d}"

    @property
    def indices(self) -> range:
        """The indices of the pairs."""
        return range(self.first, self.first + self.count)

    def pair_ids(self, seed: int) -> Iterator[PairId]:
        """Yield the id of each pair at its first attempt, in order."""
        for index in self.indices:
            yield PairId(seed=seed, split=self.split, index=index)


def plan_shards(counts: Mapping[str, int], shard_size: int) -> list[ShardPlan]:
    """Return the shards of all splits; the last shard of a split may be smaller."""
    return [
        ShardPlan(split=split, number=number, first=first, count=min(shard_size, count - first))
        for split, count in counts.items()
        for number, first in enumerate(range(0, count, shard_size))
    ]


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one data set, in a local folder or on an object store."""

    out: Location

    def with_listing(self) -> Layout:
        """Return the same layout with a list of all objects on the store, so that checks of shards cost no request."""
        return Layout(with_listing(self.out))

    def without_cache(self) -> Layout:
        """Return the same layout without anything listed or read before, so that it asks the store."""
        return Layout(without_cache(self.out))

    def with_receipts(self, shards: Iterable[str], families: Iterable[str]) -> Layout:
        """Return the same layout with the existing receipts of some shards read from the store in parallel."""
        listed, names = self.with_listing(), [*shards]
        receipts = [listed.receipt(shard, family) for family in families for shard in names]
        return Layout(with_prefetched(listed.out, receipts))

    @property
    def build(self) -> Location:
        """The fingerprint of the data set, build.json."""
        return self.out / "build.json"

    @property
    def log(self) -> Location:
        """The folder of events, leases and drafts."""
        return self.out / "log"

    @property
    def drafts(self) -> Path:
        """The folder of unfinished files, on the same disk as the finished ones, so that a rename publishes them.

        For a data set on a store it is in the cache of the machine that makes the files.
        """
        return cache_folder() / "drafts" if isinstance(self.out, StorePath) else self.out / "log" / "drafts"

    @property
    def leases(self) -> Location:
        """The folder of the leases on shards."""
        return self.log / "claims"

    def tar(self, shard: str, family: str = AUDIO) -> Location:
        """Return the path of a shard's tar."""
        return self.out / family / f"{shard}.tar"

    def codec(self, family: str) -> Location:
        """Return the path of the fingerprint of a family of tokens, codec.json."""
        return self.out / family / "codec.json"

    def features(self, family: str) -> Location:
        """Return the path of the fingerprint of a family of features, features.json."""
        return self.out / family / "features.json"

    def index(self, shard: str) -> Location:
        """Return the path of a shard's index."""
        return self.out / INDEX / f"{shard}.parquet"

    def receipt(self, shard: str, family: str = AUDIO) -> Location:
        """Return the path of a shard's receipt."""
        return self.receipt_folder(family) / f"{shard}.json"

    def receipt_folder(self, family: str) -> Location:
        """Return the folder of the receipts of a family."""
        return self.out / "receipts" / family

    def receipts(self, family: str = AUDIO) -> list[Location]:
        """Return the paths of the existing receipts of a family, sorted by shard name."""
        return sorted(self.receipt_folder(family).glob("*.json"), key=str)

    def main_receipts(self) -> list[Location]:
        """Return the paths of the receipts of the audio, or of the index where no audio is kept."""
        return self.receipts(AUDIO) or self.receipts(INDEX)

    def relative(self, path: Location) -> str:
        """Return a path as receipts record it: relative to the data set's folder, POSIX."""
        return path.relative_to(self.out).as_posix()  # type: ignore[arg-type]  # both are of one kind


def shard_name(index: int, split: str, shard_size: int) -> str:
    """Return the name of the shard that holds a pair."""
    return ShardPlan(split=split, number=index // shard_size, first=0, count=0).name


def parse_key(key: str) -> tuple[str, int]:
    """Return split and index of a pair's key. Raises ShardError."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ShardError(key, "is not the key of a pair", "a key looks like train-00000012")
    return match[1], int(match[2])
