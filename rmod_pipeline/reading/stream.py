"""``PairStream``: finished shards as an iterable torch data set, read with webdataset.

This module imports torch and webdataset, so ``loader.py`` imports it only when a program reads pairs for training.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import webdataset
from webdataset.tariterators import group_by_keys, tar_file_expander

from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import ShardError, naming_data_set
from rmod_pipeline.reading.sampler import ReaderRank, ReadOrder, ShardPart, sample_shards, shuffle_items, split_epoch
from rmod_pipeline.reading.shard_list import HINT, FinishedShard
from rmod_pipeline.storage import Location, open_for_reading


@dataclass(frozen=True, slots=True)
class RawPair:
    """The undecoded files of one pair."""

    key: str
    members: Mapping[str, bytes]
    """The selected files, by suffix."""
    tar: Location


Decode = Callable[[RawPair], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSource:
    """The single stage of a stream. It is pickled into every DataLoader worker, which calls it."""

    out: Location
    """The data set, for the hints of errors."""
    shards: tuple[FinishedShard, ...]
    suffixes: frozenset[str]
    """The files of a pair to read; the others are skipped."""
    decode: Decode
    order: ReadOrder
    epoch: torch.Tensor
    """A scalar in shared memory, so that persistent workers see the epoch change."""

    def __call__(self) -> Iterator[Any]:
        """Yield the decoded pairs of this process in the current epoch."""
        _, _, worker, workers = webdataset.utils.pytorch_worker_info()
        reader = ReaderRank(rank=self.order.rank, world_size=self.order.world_size, worker=worker, workers=workers)
        draw = Draw.of(self.order.seed, "read", int(self.epoch))
        raw_pairs = self._read(self.select_parts(reader, draw))
        if self.order.shuffle:
            raw_pairs = shuffle_items(raw_pairs, self.order.shuffle, draw.at("pairs", reader.index))
        return self._decode(raw_pairs)

    def select_parts(self, reader: ReaderRank, draw: Draw) -> Iterable[ShardPart]:
        """Return the parts of shards that a process reads, in order."""
        pair_counts = [shard.pairs for shard in self.shards]
        if self.order.resampled:
            return sample_shards(pair_counts, reader, draw)
        return split_epoch(pair_counts, reader, draw if self.order.shuffle else None)

    def _decode(self, raw_pairs: Iterable[RawPair]) -> Iterator[Any]:
        with naming_data_set(self.out):
            yield from map(self.decode, raw_pairs)

    def _read(self, parts: Iterable[ShardPart]) -> Iterator[RawPair]:
        for part in parts:
            yield from read_part(self.shards[part.shard], part, self.suffixes)


class PairStream(webdataset.DataPipeline):
    """The pairs of a split, to iterate over directly or with a DataLoader."""

    def __init__(self, source: ShardSource) -> None:
        """Stream the pairs of ``source``; use ``load_tokens`` or ``load_audio`` to create a stream."""
        super().__init__(source)
        self._source = source

    @property
    def pairs(self) -> int:
        """The number of pairs that this rank reads per epoch; of a resampled stream, the number in the split."""
        order, pair_counts = self._source.order, [shard.pairs for shard in self._source.shards]
        if order.resampled:
            return sum(pair_counts)
        rank = ReaderRank(rank=order.rank, world_size=order.world_size)
        return sum(part.stop - part.start for part in split_epoch(pair_counts, rank, None))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, and so the order, of the next iteration."""
        self._source.epoch.fill_(epoch)


def open_stream(
    out: Location,
    shards: Iterable[FinishedShard],
    suffixes: Iterable[str],
    decode: Decode,
    *,
    order: ReadOrder,
    epoch: int,
) -> PairStream:
    """Return a stream of pairs; only their files with one of the ``suffixes`` are read."""
    source = ShardSource(
        out=out,
        shards=tuple(shards),
        suffixes=frozenset(suffixes),
        decode=decode,
        order=order,
        epoch=torch.tensor(epoch).share_memory_(),
    )
    return PairStream(source)


def detect_rank() -> tuple[int, int]:
    """Return the rank of this process and the world size, from the environment or from torch.distributed.

    Streams call it when they are created, so DataLoader workers need no access to torch.distributed.
    """
    rank, world_size, _, _ = webdataset.utils.pytorch_worker_info()
    return rank, world_size


def read_part(shard: FinishedShard, part: ShardPart, suffixes: Collection[str]) -> Iterator[RawPair]:
    """Yield the raw pairs of a part of a shard. Raises ShardError if the shard differs from its receipt."""
    count = 0
    try:
        with open_for_reading(shard.path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.bytes:
                raise ShardError(shard.path, f"{size} bytes, its receipt says {shard.bytes}", HINT)
            has_suffix = partial(_has_suffix, suffixes=suffixes)
            files = tar_file_expander([{"url": str(shard.path), "stream": file}], select_files=has_suffix)
            for count, sample in enumerate(group_by_keys(files), start=1):
                if count > part.stop:
                    break
                if count > part.start:
                    yield _make_raw_pair(sample, shard.path, suffixes)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ShardError(shard.path, f"cannot be read: {error}", HINT) from error
    # Only the reader of the last pairs of a shard notices pairs that are too few or too many.
    if count < part.stop or (count > part.stop and part.stop == shard.pairs):
        raise ShardError(shard.path, f"its receipt says {shard.pairs} pairs, the tar has more or fewer", HINT)


def _has_suffix(name: str, suffixes: Collection[str]) -> bool:
    return name.partition(".")[2] in suffixes


def _make_raw_pair(sample: Mapping[str, Any], tar: Location, suffixes: Collection[str]) -> RawPair:
    missing = sorted(set(suffixes) - set(sample))
    if missing:
        raise ShardError(tar, f"{sample['__key__']} has no {', '.join(missing)}", HINT)
    return RawPair(sample["__key__"], {suffix: sample[suffix] for suffix in suffixes}, tar)
