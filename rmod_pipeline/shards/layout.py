"""Where everything of a data set lies.

OUT/build.json                          what the data set is: its fingerprint
OUT/audio/train-000000.tar              the pairs; absent where a build keeps tokens only
OUT/tokens/CODEC/train-000000.tar       their tokens; see tokens.py
OUT/index/train-000000.parquet          a row a pair, and a row a reject
OUT/receipts/FAMILY/train-000000.json   written last: this shard is done, of audio, or of tokens/CODEC
OUT/log/                                times, claims, drafts: the only part outside the same-bytes promise
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
"""The family of shards that hold sound."""

INDEX = "index"
"""Takes the place of ``audio`` where a build keeps no sound: its receipts vouch for the index alone."""

TOKENS = "tokens"
"""The folder of the families that hold tokens, one a codec."""


def main_family(audio: bool) -> str:
    """Return the family whose receipts say that a shard of pairs is done, for a data set with or without sound."""
    return AUDIO if audio else INDEX


_KEY = re.compile(r"([a-z]+)-([0-9]{8})")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ShardPlan:
    """The unit of work, of retry and of resume: some consecutive pairs of one split."""

    split: str
    number: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """``train-000000``."""
        return f"{self.split}-{self.number:06d}"

    @property
    def indices(self) -> range:
        """The indices of its pairs."""
        return range(self.first, self.first + self.count)

    def pair_ids(self, seed: int) -> Iterator[PairId]:
        """Yield the address of each pair's first attempt, in order."""
        for index in self.indices:
            yield PairId(seed=seed, split=self.split, index=index)


def plan_shards(counts: Mapping[str, int], shard_size: int) -> list[ShardPlan]:
    """Return the shards of all splits; the last of a split may be smaller."""
    return [
        ShardPlan(split=split, number=number, first=first, count=min(shard_size, count - first))
        for split, count in counts.items()
        for number, first in enumerate(range(0, count, shard_size))
    ]


@dataclass(frozen=True, slots=True)
class Layout:
    """The places of one data set, which lies in a folder or on an object store."""

    out: Location

    def listed(self) -> Layout:
        """Return the same layout, which on a store knows what is there now: for whoever asks about every shard."""
        return Layout(with_listing(self.out))

    def afresh(self) -> Layout:
        """Return the same layout, which asks the store again, whatever was listed or read before."""
        return Layout(without_cache(self.out))

    def with_receipts(self, shards: Iterable[str], families: Iterable[str]) -> Layout:
        """Return the same, with the receipts of some shards read, which on a store takes as long as reading a few."""
        there = self.listed()
        named = [*shards]
        return Layout(
            with_prefetched(there.out, [there.receipt(shard, family) for family in families for shard in named])
        )

    @property
    def build(self) -> Location:
        return self.out / "build.json"

    @property
    def log(self) -> Location:
        return self.out / "log"

    @property
    def drafts(self) -> Path:
        """Unfinished files: on the same disk as the finished ones, so that a rename publishes them.

        Those of a data set on a store lie in the cache of the machine that makes them.
        """
        return cache_folder() / "drafts" if isinstance(self.out, StorePath) else self.out / "log" / "drafts"

    @property
    def claims(self) -> Location:
        return self.log / "claims"

    def tar(self, shard: str, family: str = AUDIO) -> Location:
        return self.out / family / f"{shard}.tar"

    def codec(self, family: str) -> Location:
        """Return where a family of tokens says what it is."""
        return self.out / family / "codec.json"

    def index(self, shard: str) -> Location:
        return self.out / INDEX / f"{shard}.parquet"

    def receipt(self, shard: str, family: str = AUDIO) -> Location:
        return self.out / "receipts" / family / f"{shard}.json"

    def receipts(self, family: str = AUDIO) -> list[Location]:
        """Return the receipts of a family, in order of shards."""
        return sorted((self.out / "receipts" / family).glob("*.json"), key=str)

    def main_receipts(self) -> list[Location]:
        """Return the receipts of the sound, or of the index where no sound is kept; there is one or the other."""
        return self.receipts(AUDIO) or self.receipts(INDEX)

    def relative(self, path: Location) -> str:
        """Return a path as it stands in receipts: relative to the folder, POSIX."""
        return path.relative_to(self.out).as_posix()  # type: ignore[arg-type]  # both are of one kind


def shard_of(index: int, split: str, shard_size: int) -> str:
    """Return the name of the shard that holds a pair."""
    return ShardPlan(split=split, number=index // shard_size, first=0, count=0).name


def parse_key(key: str) -> tuple[str, int]:
    """Return split and index of a key. Raises ShardError."""
    match = _KEY.fullmatch(key)
    if not match:
        raise ShardError(key, "is not the key of a pair", "a key looks like train-00000012")
    return match[1], int(match[2])
