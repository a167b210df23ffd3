"""Load tokens and audio for training: finished shards, shuffled and split over ranks and workers.

    pairs = load_tokens("OUT", "train", "mini", shuffle=1000)
    for epoch in range(10):
        pairs.set_epoch(epoch)
        for batch in DataLoader(pairs, batch_size=32, num_workers=4):
            batch["codes"]["mix"]  # [32, codebooks, frames]

docs/guides/reading.md shows the use with several GPUs, and how to read the shards without rmod.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, from_pcm
from rmod_pipeline.errors import ShardError
from rmod_pipeline.reading.opening import ReadOptions, import_stream, open_pairs, open_windows, select_sounds
from rmod_pipeline.reading.shard_list import HINT
from rmod_pipeline.shards.fingerprint import Fingerprint, fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.members import MIX, decode_audio
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    from rmod_pipeline.reading.stream import PairStream, RawPair

STEM = "stem-"
"""Prefix of the sound of a track as it is in the mixture, such as ``stem-kick``."""


class TokenPair(TypedDict):
    """The tokens of one pair."""

    key: str
    codes: dict[str, NDArray[np.int64]]
    """By sound (mix, kick, ...): [codebooks, frames]. All pairs have the same shape of a sound."""
    frames: dict[str, int]
    """By sound: the number of frames that hold audio; the remaining frames are padding."""


class AudioPair(TypedDict):
    """The audio of one pair."""

    key: str
    audio: dict[str, Audio]
    """By sound (mix, kick, ...): [channels, samples] float32, full scale at 1. One-shots differ in length."""
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
    rank: int | None = None,
    world_size: int | None = None,
    partial: bool = False,
) -> PairStream:
    """Return a stream of the tokens of a split, one ``TokenPair`` per pair, for a loop or torch's DataLoader.

    ``codec``: the name, such as ``mini-1a2b3c4d``, or its beginning; optional if the data set has tokens of one codec.
    ``sounds``: the sounds to read, such as mix and kick; by default all.
    ``shuffle``: size of the shuffle buffer in pairs; 0 keeps the order. Shards are shuffled too, by seed and epoch.
    ``resampled``: endless, with shards drawn with replacement, so that no rank runs out of pairs before another.
    Otherwise one rank and worker reads each pair, and their shares differ by at most one pair.
    ``rank``, ``world_size``: by default those of RANK and WORLD_SIZE in the environment, or of torch.distributed.
    ``partial``: read the finished shards even if others are missing.

    Raises ShardError for missing tokens or shards and UsageError for other arguments; during iteration ShardError for a
    damaged shard.
    """
    import_stream()
    layout = Layout(parse_location(out))
    family = choose_family(layout.out, codec)
    options = ReadOptions(
        split=split, shuffle=shuffle, seed=seed, epoch=epoch, resampled=resampled, rank=rank, world_size=world_size,
        partial=partial,
    )  # fmt: skip
    return open_windows(layout, family, sounds, lambda chosen: TokenDecoder(family, chosen), options)


def load_audio(
    out: Location | str,
    split: str,
    *,
    sounds: Sequence[str] | None = None,
    shuffle: int = 0,
    seed: int = 0,
    epoch: int = 0,
    resampled: bool = False,
    rank: int | None = None,
    world_size: int | None = None,
    partial: bool = False,
) -> PairStream:
    """Return a stream of the audio of a split, one ``AudioPair`` per pair, for a loop or torch's DataLoader.

    ``sounds``: by default the mixture and the one-shots, without stems. One-shots differ in length, so a DataLoader
    needs ``batch_size=None`` or a ``collate_fn``. ``shuffle``: every worker holds that many pairs of about 1 MB. The
    other arguments and the errors are those of ``load_tokens``.
    """
    import_stream()
    layout = Layout(parse_location(out))
    fingerprint = read_fingerprint(layout.build)
    if not fingerprint["audio"]:
        raise ShardError(layout.out, "stores no audio", "read its tokens: load_tokens")
    known, suffix = _list_sounds(fingerprint, layout.build), str(fingerprint["format"])
    selected = select_sounds(sounds, known, default=[sound for sound in known if not sound.startswith(STEM)])
    decode, suffixes = AudioDecoder(suffix, selected), [f"{sound}.{suffix}" for sound in selected]
    options = ReadOptions(
        split=split, shuffle=shuffle, seed=seed, epoch=epoch, resampled=resampled, rank=rank, world_size=world_size,
        partial=partial,
    )  # fmt: skip
    return open_pairs(layout, (AUDIO, fingerprint_digest(fingerprint)), suffixes, decode, options)


@dataclass(frozen=True, slots=True)
class TokenDecoder:
    """Decodes a raw pair to a ``TokenPair``. A shard cannot run code, because object arrays are refused."""

    family: TokenFamily
    sounds: tuple[str, ...]

    def __call__(self, raw: RawPair) -> TokenPair:
        """Decode a pair. Raises ShardError for tokens that do not fit the token family."""
        frames = _read_frames(raw)
        if any(not 0 <= frames.get(sound, -1) <= self.family.windows[sound] for sound in self.sounds):
            raise ShardError(raw.tar, f"{raw.key}.json has no valid frames of {', '.join(self.sounds)}", HINT)
        return TokenPair(
            key=raw.key,
            codes={sound: self._decode_sound(raw, sound) for sound in self.sounds},
            frames={sound: frames[sound] for sound in self.sounds},
        )

    def _decode_sound(self, raw: RawPair, sound: str) -> NDArray[np.int64]:
        about = f"{raw.tar}: {raw.key}.{sound}.npy"
        codes = decode_codes(raw.members[f"{sound}.npy"], about)
        codebooks, entries = self.family.shape
        shape = (codebooks, self.family.windows[sound])
        if codes.shape != shape or codes.max(initial=0) >= entries:
            found = f"{list(codes.shape)} with codes up to {codes.max(initial=0)}"
            raise ShardError(about, f"{found}; codec.json says {list(shape)} below {entries}", HINT)
        return codes.astype(np.int64)


@dataclass(frozen=True, slots=True)
class AudioDecoder:
    """Decodes a raw pair to an ``AudioPair``."""

    suffix: str
    sounds: tuple[str, ...]

    def __call__(self, raw: RawPair) -> AudioPair:
        """Decode a pair. Raises ShardError for a file that is not audio."""
        audio, rate = dict[str, Audio](), 0
        for sound in self.sounds:
            name = f"{sound}.{self.suffix}"
            pcm, rate = decode_audio(raw.members[name], f"{raw.tar}: {raw.key}.{name}")
            audio[sound] = from_pcm(pcm)
        return AudioPair(key=raw.key, audio=audio, rate=rate)


def _list_sounds(fingerprint: Fingerprint, about: Location) -> list[str]:
    """Return the sounds of every pair of a data set, in the order of the files in the tar."""
    try:
        recipe = fingerprint["recipe"]
        targets = [kind for kind, drum in recipe["drums"].items() if drum["target"]]
        stems = [*recipe["drums"], *recipe["loops"]] if fingerprint["stems"] else []
    except (KeyError, TypeError, AttributeError) as error:
        raise ShardError(
            about, f"not a build.json: {error!r}", "restore it, or build again in another folder"
        ) from error
    return [MIX, *targets, *(f"{STEM}{kind}" for kind in stems)]


def _read_frames(raw: RawPair) -> dict[str, int]:
    try:
        frames: dict[str, Any] = json.loads(raw.members["json"])["tokens"]["frames"]
        return {sound: int(count) for sound, count in frames.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ShardError(raw.tar, f"{raw.key}.json does not describe tokens: {error!r}", HINT) from error
