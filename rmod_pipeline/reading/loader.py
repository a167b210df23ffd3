"""Finished shards -> what a model is trained on: read by webdataset, shuffled, shared out over ranks and workers.

    pairs = read_tokens("OUT", "train", "mini", shuffle=1000)
    for epoch in range(10):
        pairs.set_epoch(epoch)
        for batch in DataLoader(pairs, batch_size=32, num_workers=4):
            batch["codes"]["mix"]  # [32, codebooks, frames]

docs/guides/reading.md shows it with several GPUs, and the same without rmod.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, from_pcm
from rmod_pipeline.errors import ShardError, UsageError, nearest
from rmod_pipeline.reading.sampler import ReadOrder
from rmod_pipeline.reading.shard_list import HINT, FinishedShard, finished_shards
from rmod_pipeline.shards.fingerprint import Fingerprint, fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.members import MIX, decode_audio
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.reading.stream import PairStream, RawPair

STEM = "stem-"
"""Begins the name of a track's sound as it is heard in the mixture."""

Nodes = tuple[int, int]
"""This process's rank, and how many there are."""


class TokenPair(TypedDict):
    """The tokens of one pair."""

    key: str
    codes: dict[str, NDArray[np.int64]]
    """By sound (mix, kick, ...): [codebooks, frames]. Of one sound all pairs have the same shape."""
    frames: dict[str, int]
    """How many frames of each, from the first, hold sound; the rest is the padding of its window."""


class AudioPair(TypedDict):
    """The sound of one pair."""

    key: str
    audio: dict[str, Audio]
    """By sound (mix, kick, ...): [channels, samples] float32. One-shots differ in length."""
    rate: int
    """Samples per second."""


def load_tokens(
    out: Location | str,
    split: str,
    codec: str | None = None,
    *,
    sounds: Sequence[str] | None = None,
    shuffle: int = 0,
    seed: int = 0,
    epoch: int = 0,
    resampled: bool = False,
    nodes: Nodes | None = None,
    partial: bool = False,
) -> PairStream:
    """Return the tokens of a split, a ``TokenPair`` each, for a loop or for torch's DataLoader.

    ``codec``: ``mini-1a2b3c4d``, or its beginning; may be left out where there is one only.
    ``sounds``: those to read; all by default.
    ``shuffle``: 0 keeps the order; else shards come in one drawn from seed and epoch, pairs drawn from so many held.
    ``resampled``: without end, shards drawn with replacement, so that no rank runs out before another. Otherwise each
    pair is read once, by one of the ranks and workers, whose shares differ by one pair at most.
    ``nodes``: rank and number of ranks; by default those of torch.distributed, or of RANK and WORLD_SIZE.
    ``partial``: read the shards that are there even if some are missing.

    Raises ShardError, UsageError; while it is read, ShardError for a shard that is damaged.
    """
    stream = _webdataset()
    layout = Layout(parse_location(out))
    family = choose_family(layout.out, codec)
    chosen = _choose(sounds, list(family.windows), default=list(family.windows))
    shards = finished_shards(layout, family.folder, family.digest(), split, partial)
    decode, suffixes = DecodeTokens(family, chosen), [*(f"{sound}.npy" for sound in chosen), "json"]
    rank, world = nodes or stream.this_node()
    order = ReadOrder(shuffle=shuffle, seed=seed, resampled=resampled, rank=rank, world=world)
    _check_order(order, shards, split)
    return stream.open_stream(shards, suffixes, decode, order, epoch)


def load_audio(
    out: Location | str,
    split: str,
    *,
    sounds: Sequence[str] | None = None,
    shuffle: int = 0,
    seed: int = 0,
    epoch: int = 0,
    resampled: bool = False,
    nodes: Nodes | None = None,
    partial: bool = False,
) -> PairStream:
    """Return the sound of a split, an ``AudioPair`` each, for a loop or for torch's DataLoader.

    ``sounds``: by default the mixture and its one-shots, without stems. One-shots differ in length, so a DataLoader
    wants ``batch_size=None`` or a ``collate_fn``. ``shuffle`` holds so many pairs, of about 1 MB, in each worker. All
    else as for ``read_tokens``.
    """
    stream = _webdataset()
    layout = Layout(parse_location(out))
    fingerprint = read_fingerprint(layout.build)
    if not fingerprint["audio"]:
        raise ShardError(layout.out, "keeps no sound", "read its tokens: read_tokens")
    known, ending = _sounds(fingerprint, layout.build), str(fingerprint["format"])
    chosen = _choose(sounds, known, default=[sound for sound in known if not sound.startswith(STEM)])
    shards = finished_shards(layout, AUDIO, fingerprint_digest(fingerprint), split, partial)
    decode, suffixes = DecodeAudio(ending, chosen), [f"{sound}.{ending}" for sound in chosen]
    rank, world = nodes or stream.this_node()
    order = ReadOrder(shuffle=shuffle, seed=seed, resampled=resampled, rank=rank, world=world)
    _check_order(order, shards, split)
    return stream.open_stream(shards, suffixes, decode, order, epoch)


@dataclass(frozen=True, slots=True)
class DecodeTokens:
    """Raw pair -> ``TokenPair``. Nothing in a shard can run code: arrays of objects are refused."""

    family: TokenFamily
    sounds: tuple[str, ...]

    def __call__(self, raw: RawPair) -> TokenPair:
        """Decode. Raises ShardError for tokens that are not the family's."""
        frames = _frames(raw)
        if any(not 0 <= frames.get(sound, -1) <= self.family.windows[sound] for sound in self.sounds):
            raise ShardError(raw.tar, f"{raw.key}.json does not tell the frames of {', '.join(self.sounds)}", HINT)
        return TokenPair(
            key=raw.key,
            codes={sound: self._codes(raw, sound) for sound in self.sounds},
            frames={sound: frames[sound] for sound in self.sounds},
        )

    def _codes(self, raw: RawPair, sound: str) -> NDArray[np.int64]:
        about = f"{raw.tar}: {raw.key}.{sound}.npy"
        codes = decode_codes(raw.members[f"{sound}.npy"], about)
        codebooks, entries = self.family.shape
        wanted = (codebooks, self.family.windows[sound])
        if codes.shape != wanted or codes.max(initial=0) >= entries:
            found = f"{list(codes.shape)} with codes up to {codes.max(initial=0)}"
            raise ShardError(about, f"{found}; codec.json says {list(wanted)} below {entries}", HINT)
        return codes.astype(np.int64)


@dataclass(frozen=True, slots=True)
class DecodeAudio:
    """Raw pair -> ``AudioPair``."""

    ending: str
    sounds: tuple[str, ...]

    def __call__(self, raw: RawPair) -> AudioPair:
        """Decode. Raises ShardError for what is no sound."""
        audio, rate = dict[str, Audio](), 0
        for sound in self.sounds:
            name = f"{sound}.{self.ending}"
            try:
                pcm, rate = decode_audio(raw.members[name])
            except (RuntimeError, ValueError) as error:  # soundfile's own are RuntimeErrors
                raise ShardError(f"{raw.tar}: {raw.key}.{name}", f"not a sound: {error}", HINT) from error
            audio[sound] = from_pcm(pcm)
        return AudioPair(key=raw.key, audio=audio, rate=rate)


def _webdataset() -> ModuleType:
    """Import what imports webdataset and torch. Raises UsageError where they are not installed."""
    try:
        from rmod_pipeline.reading import stream
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[train]'"
        raise UsageError("reading for training", f"needs {error.name}, which is not installed", hint) from error
    return stream


def _check_order(order: ReadOrder, shards: Sequence[FinishedShard], split: str) -> None:
    if order.shuffle < 0:
        raise UsageError("shuffle", f"{order.shuffle} pairs cannot be held", "0 leaves the order as it is")
    if not 0 <= order.rank < order.world:
        raise UsageError("nodes", f"rank {order.rank} of {order.world}", "nodes=(rank, how many): ranks begin with 0")
    pairs = sum(shard.pairs for shard in shards)
    if pairs < order.world and not order.resampled:
        hint = "use fewer ranks, or draw with replacement: resampled=True"
        raise ShardError(f"split {split}", f"{pairs} pairs for {order.world} ranks", hint)


def _sounds(fingerprint: Fingerprint, about: Location) -> list[str]:
    """Return the sounds that every pair of a data set has, in the order of its members."""
    try:
        recipe = fingerprint["recipe"]
        targets = [kind for kind, drum in recipe["drums"].items() if drum["target"]]
        stems = [*recipe["drums"], *recipe["loops"]] if fingerprint["stems"] else []
    except (KeyError, TypeError, AttributeError) as error:
        raise ShardError(about, f"not a build.json: {error!r}", "restore it, or build again elsewhere") from error
    return [MIX, *targets, *(f"{STEM}{kind}" for kind in stems)]


def _choose(asked: Sequence[str] | None, known: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
    unknown = [sound for sound in asked or () if sound not in known]
    if unknown:
        hint = f"there are {', '.join(known)}"
        raise UsageError(f"sound {unknown[0]}", f"no such sound{nearest(unknown[0], known)}", hint)
    return tuple(dict.fromkeys(asked or default))


def _frames(raw: RawPair) -> dict[str, int]:
    try:
        said: dict[str, Any] = json.loads(raw.members["json"])["tokens"]["frames"]
        return {sound: int(frames) for sound, frames in said.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ShardError(raw.tar, f"{raw.key}.json does not describe tokens: {error!r}", HINT) from error
