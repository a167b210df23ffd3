"""Open the stream of a loader: who reads which pairs, in which order, and which sounds of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from rmod_pipeline.errors import ShardError, UsageError, nearest
from rmod_pipeline.reading.sampler import ReadOrder
from rmod_pipeline.reading.shard_list import FinishedShard, list_finished_shards
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.windows.family import WindowFamily

if TYPE_CHECKING:
    from rmod_pipeline.reading.stream import Decode, PairStream


Family = tuple[str, str]
"""The name of a family of shards, and the digest that its receipts have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """The options that all loaders share; ``load_tokens`` explains them."""

    split: str
    shuffle: int
    seed: int
    epoch: int
    resampled: bool
    rank: int | None
    world_size: int | None
    partial: bool


def open_windows(
    layout: Layout,
    family: WindowFamily,
    sounds: Sequence[str] | None,
    make_decoder: Callable[[tuple[str, ...]], Decode],
    options: ReadOptions,
) -> PairStream:
    """Return a stream of the tokens or features of a split.

    ``sounds``: by default all of the family. ``make_decoder`` is given the sounds that are read. Raises UsageError and
    ShardError.
    """
    known = list(family.windows)
    selected = select_sounds(sounds, known, default=known)
    suffixes = [*(f"{sound}.npy" for sound in selected), "json"]
    return open_pairs(layout, (family.folder, family.digest()), suffixes, make_decoder(selected), options)


def open_pairs(
    layout: Layout, family: Family, suffixes: Iterable[str], decode: Decode, options: ReadOptions
) -> PairStream:
    """Return a stream of the pairs of a split. Equal options give equal orders, whatever is read of the pairs.

    ``suffixes``: the files of a pair to read. Raises UsageError for invalid options, ShardError for missing shards.
    """
    stream = import_stream()
    shards = list_finished_shards(layout, *family, options.split, options.partial)
    rank, world_size = _resolve_rank(stream, options.rank, options.world_size)
    order = ReadOrder(
        shuffle=options.shuffle, seed=options.seed, resampled=options.resampled, rank=rank, world_size=world_size
    )
    _check_order(order, shards, options.split)
    pairs: PairStream = stream.open_stream(layout.out, shards, suffixes, decode, order=order, epoch=options.epoch)
    return pairs


def select_sounds(sounds: Sequence[str] | None, known: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
    """Return the sounds to read: those named, or by default ``default``. Raises UsageError for an unknown sound."""
    unknown = [sound for sound in sounds or () if sound not in known]
    if unknown:
        hint = f"there are {', '.join(known)}"
        raise UsageError(f"sound {unknown[0]}", f"no such sound{nearest(unknown[0], known)}", hint)
    return tuple(dict.fromkeys(sounds or default))


def import_stream() -> ModuleType:
    """Import the stream module, which needs webdataset and torch. Raises UsageError if they are not installed."""
    try:
        from rmod_pipeline.reading import stream
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[train]'"
        raise UsageError("reading for training", f"needs {error.name}, which is not installed", hint) from error
    return stream


def _resolve_rank(stream: ModuleType, rank: int | None, world_size: int | None) -> tuple[int, int]:
    """Return rank and world size as given, or detect them if neither is given. Raises UsageError if one is missing."""
    if rank is None and world_size is None:
        detected: tuple[int, int] = stream.detect_rank()
        return detected
    if rank is None or world_size is None:
        missing = "rank" if rank is None else "world_size"
        raise UsageError(missing, "is not given", "give both rank and world_size, or neither")
    return rank, world_size


def _check_order(order: ReadOrder, shards: Sequence[FinishedShard], split: str) -> None:
    if order.shuffle < 0:
        raise UsageError(
            "shuffle", f"{order.shuffle} pairs is not a size", "give 0 to keep the order, or more to shuffle"
        )
    if not 0 <= order.rank < order.world_size:
        raise UsageError("rank", f"rank {order.rank} of {order.world_size}", "ranks are 0 to world_size - 1")
    pairs = sum(shard.pairs for shard in shards)
    if pairs < order.world_size and not order.resampled:
        hint = "use fewer ranks, or draw with replacement: resampled=True"
        raise ShardError(f"split {split}", f"{pairs} pairs for {order.world_size} ranks", hint)
