"""Encode a pair as the files of its key in a tar, audio, MIDI and JSON, and decode the audio."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import LibraryError, RecipeError, ShardError, nearest
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.recipe.schema import GROOVE
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.layout import main_family
from rmod_pipeline.shards.midi import encode_midi
from rmod_pipeline.spec import Groove, PairSpec

WAV = "wav"
FORMATS = (WAV, "flac")

MIX = "mix"

LONGEST_KIND = 70
"""Characters of a kind's name that fit into a USTAR name of 100: ``train-00000012.stem-KIND.flac``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStorage:
    """How the audio of a data set is stored."""

    audio_format: str = "wav"
    stem_kinds: tuple[str, ...] = ()
    """Kinds of the tracks whose stems are stored."""
    kept: bool = True
    """Whether audio is stored at all; without it, the index still has the checksums of the rendered files."""

    @property
    def family(self) -> str:
        """The family whose receipts say that a shard of pairs is done."""
        return main_family(self.kept)


def encode_members(pair: Pair, library: Library, storage: AudioStorage) -> dict[str, bytes]:
    """Return a pair's files by suffix, in the order of the tar.

    A stem that the pair lacks is written as silence: readers infer columns from the first pair, so all pairs have the
    same files.
    """
    rate, ending = pair.spec.settings.sample_rate, storage.audio_format
    members = {f"{MIX}.{ending}": encode_audio(pair.mix, rate, ending)}
    for kind, target in pair.targets.items():
        members[f"{kind}.{ending}"] = encode_audio(target, rate, ending)
    stems = pair.stems if storage.stem_kinds else {}
    for kind in storage.stem_kinds:
        stem = stems.get(kind, np.zeros_like(pair.mix))
        members[f"stem-{kind}.{ending}"] = encode_audio(stem, rate, ending)
    members["mid"] = encode_midi(pair.spec)
    members["json"] = encode_json(describe_pair(pair, library))
    return members


def list_members(targets: Iterable[str], storage: AudioStorage) -> list[str]:
    """Return the suffixes of a pair's files, which are the same for every pair, in the order of the tar."""
    names = [MIX, *targets, *(f"stem-{kind}" for kind in storage.stem_kinds)]
    return [*(f"{name}.{storage.audio_format}" for name in names), "mid", "json"]


def encode_audio(pcm: Pcm, sample_rate: int, audio_format: str) -> bytes:
    """Return 16-bit audio [channels, samples] as a file; ``audio_format`` is wav or flac."""
    samples = _interleave(pcm)
    if audio_format == WAV:
        return b"".join((_encode_wav_header(samples, sample_rate), samples.data))
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, samples, sample_rate, format=audio_format.upper(), subtype="PCM_16")
    return stream.getvalue()


def _interleave(pcm: Pcm) -> Pcm:
    """Return 16-bit audio [channels, samples] as [samples, channels], little-endian; faster than a transposed copy."""
    if len(pcm) == 2:
        # A frame is one 32-bit number, whose lower half is the left sample.
        frames = pcm[1].astype("<u4") << np.uint32(16)
        frames |= pcm[0].astype("<u2")
        stereo: Pcm = frames.view("<i2").reshape(-1, 2)
        return stereo
    samples = np.empty((pcm.shape[1], pcm.shape[0]), "<i2")
    for index, channel in enumerate(pcm):
        samples[:, index] = channel
    return samples


def _encode_wav_header(samples: Pcm, sample_rate: int) -> bytes:
    """Return the header of a WAV file with 16-bit samples [samples, channels]: 44 bytes, as libsndfile writes them."""
    channels, size = samples.shape[1], samples.nbytes
    frame = 2 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE"),
        *(b"fmt ", 16, 1, channels, sample_rate, sample_rate * frame, frame, 16),
        *(b"data", size),
    )


def find_audio_member(members: Iterable[str], sound: str) -> str | None:
    """Return the suffix of a sound's file among a pair's, in whichever format; None if there is none."""
    names = set(members)
    return next((name for name in (f"{sound}.{ending}" for ending in FORMATS) if name in names), None)


def decode_audio(data: bytes, about: object = "audio") -> tuple[Pcm, int]:
    """Return the 16-bit audio [channels, samples] of a file and its sample rate in Hz.

    Raises ShardError, about the pair or file ``about``, for bytes that are not audio.
    """
    import soundfile

    try:
        samples, sample_rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except (RuntimeError, ValueError) as error:  # soundfile raises RuntimeError
        raise ShardError(about, f"not audio: {error}", "`rmod verify OUT` lists what is damaged") from error
    return np.ascontiguousarray(samples.T), sample_rate


def describe_pair(pair: Pair, library: Library) -> dict[str, Any]:
    """Return the content of a pair's JSON: the spec that rebuilds it, its measured levels and its sources."""
    return {
        "spec": pair.spec.to_dict(),
        "measured": pair.measured.to_dict(),
        "sources": list_sources(pair.spec, library),
    }


def list_sources(spec: PairSpec, library: Library) -> list[dict[str, str]]:
    """Return the sounds of a pair, and the performance that it plays, with the licence and source of each."""
    sounds = [_describe_source(kind, _find_asset(asset, library)) for kind, asset, _ in spec.sources()]
    return sounds if spec.groove is None else [*sounds, _describe_groove(spec.groove)]


def check_kinds(kinds: Iterable[str], about: object) -> None:
    """Raise RecipeError for a kind whose name cannot be part of a file name in a tar."""
    for kind in kinds:
        if kind == MIX:
            raise RecipeError(about, f"a kind has the name '{MIX}', which means the mixture", "give it another name")
        if len(kind) > LONGEST_KIND:
            found = f"the kind '{kind}' has {len(kind)} letters, a tar has room for {LONGEST_KIND}"
            raise RecipeError(about, found, "give it a shorter name")


def encode_json(content: dict[str, Any]) -> bytes:
    """Return JSON on one line, with the keys in the order of the dictionary."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _find_asset(asset: str, library: Library) -> Asset:
    """Return an asset. Raises LibraryError: a loop from the cache may never have been read from the library."""
    if asset not in library.by_id:
        raise LibraryError(
            library.manifest,
            f"no sound {asset!r}{nearest(asset, library.by_id)}",
            "use the library that the pair was built from",
        )
    return library.by_id[asset]


def _describe_groove(groove: Groove) -> dict[str, str]:
    return {
        "kind": GROOVE,
        "id": groove.performance,
        "sha256": groove.sha256,
        "kit": groove.drummer,
        "group": groove.group,
        "licence": groove.licence,
        "source": groove.source,
    }


def _describe_source(kind: str, asset: Asset) -> dict[str, str]:
    return {
        "kind": kind,
        "id": asset.id,
        "sha256": asset.sha256,
        "kit": asset.kit,
        "group": asset.group,
        "licence": asset.licence,
        "source": asset.source,
    }
