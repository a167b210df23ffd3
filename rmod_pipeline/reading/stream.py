"""Shards -> records, as a data set for torch, by webdataset.

Imports both as it is imported, and is itself imported only once somebody reads for training.
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
from rmod_pipeline.errors import ShardError
from rmod_pipeline.reading.sampler import ReaderRank, ReadOrder, ShardPart, endless, one_epoch, shuffled
from rmod_pipeline.reading.shard_list import HINT, FinishedShard
from rmod_pipeline.storage import Location, open_for_reading


@dataclass(frozen=True, slots=True)
class RawPair:
    """A pair as it stands in a tar."""

    key: str
    members: Mapping[str, bytes]
    """Those files of it that were asked for, by suffix."""
    tar: Location


Decode = Callable[[RawPair], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSource:
    """The first and only stage of a stream: what each process that reads it does. Travels to workers whole."""

    shards: tuple[FinishedShard, ...]
    suffixes: frozenset[str]
    """The files of a pair that are read; all others are passed over unopened."""
    decode: Decode
    order: ReadOrder
    epoch: torch.Tensor
    """Shared by processes, so that workers which outlive an epoch hear of the next one."""

    def __call__(self) -> Iterator[Any]:
        """Yield this process's records of the epoch."""
        _, _, worker, workers = webdataset.utils.pytorch_worker_info()
        seat = ReaderRank(rank=self.order.rank, world=self.order.world, worker=worker, workers=workers)
        draw = Draw.of(self.order.seed, "read", int(self.epoch))
        raws = self._read(self.parts(seat, draw))
        if self.order.shuffle:
            raws = shuffled(raws, self.order.shuffle, draw.at("pairs", seat.number))
        return map(self.decode, raws)

    def parts(self, seat: ReaderRank, draw: Draw) -> Iterable[ShardPart]:
        """Return which parts of shards a process reads, in order."""
        pairs = [shard.pairs for shard in self.shards]
        if self.order.resampled:
            return endless(pairs, seat, draw)
        return one_epoch(pairs, seat, draw if self.order.shuffle else None)

    def _read(self, parts: Iterable[ShardPart]) -> Iterator[RawPair]:
        for part in parts:
            yield from read_part(self.shards[part.shard], part, self.suffixes)


class PairStream(webdataset.DataPipeline):
    """The pairs of a split, for a loop or a DataLoader."""

    def __init__(self, source: ShardSource) -> None:
        super().__init__(source)
        self._source = source

    @property
    def pairs(self) -> int:
        """How many pairs this rank reads in an epoch, all its workers together; if resampled, how many there are."""
        order, pairs = self._source.order, [shard.pairs for shard in self._source.shards]
        if order.resampled:
            return sum(pairs)
        return sum(
            part.stop - part.start for part in one_epoch(pairs, ReaderRank(rank=order.rank, world=order.world), None)
        )

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, and with it the order, of the next loop over the pairs."""
        self._source.epoch.fill_(epoch)


def open_stream(
    shards: Iterable[FinishedShard], suffixes: Iterable[str], decode: Decode, order: ReadOrder, epoch: int
) -> PairStream:
    """Return the stream of some shards' pairs, of whose files only those with the suffixes are read."""
    shared = torch.tensor(epoch).share_memory_()
    source = ShardSource(shards=tuple(shards), suffixes=frozenset(suffixes), decode=decode, order=order, epoch=shared)
    return PairStream(source)


def this_node() -> tuple[int, int]:
    """Return this process's rank and the number of ranks: of the environment, or of torch.distributed.

    To be asked where a stream is made: the workers of a DataLoader need not know.
    """
    rank, world, _, _ = webdataset.utils.pytorch_worker_info()
    return rank, world


def read_part(shard: FinishedShard, part: ShardPart, suffixes: Collection[str]) -> Iterator[RawPair]:
    """Yield some pairs of a shard, undecoded. Raises ShardError for one that is not what its receipt says."""
    count = 0
    try:
        with open_for_reading(shard.path) as file:
            found = os.fstat(file.fileno()).st_size
            if found != shard.bytes:
                raise ShardError(shard.path, f"{found} bytes, its receipt says {shard.bytes}", HINT)
            wanted = partial(_is_wanted, suffixes=suffixes)
            files = tar_file_expander([{"url": str(shard.path), "stream": file}], select_files=wanted)
            for count, sample in enumerate(group_by_keys(files), start=1):
                if count > part.stop:
                    break
                if count > part.start:
                    yield _raw(sample, shard.path, suffixes)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ShardError(shard.path, f"cannot be read: {error}", HINT) from error
    # Only who reads to the end of a shard can tell, and of each shard somebody does.
    if count < part.stop or (count > part.stop and part.stop == shard.pairs):
        raise ShardError(shard.path, f"not the {shard.pairs} pairs that its receipt tells of", HINT)


def _is_wanted(name: str, suffixes: Collection[str]) -> bool:
    return name.partition(".")[2] in suffixes


def _raw(sample: Mapping[str, Any], tar: Location, suffixes: Collection[str]) -> RawPair:
    lacking = sorted(set(suffixes) - set(sample))
    if lacking:
        raise ShardError(tar, f"{sample['__key__']} has no {', '.join(lacking)}", HINT)
    return RawPair(sample["__key__"], {suffix: sample[suffix] for suffix in suffixes}, tar)
