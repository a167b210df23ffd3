"""Pair -> the files of its key in a tar: sound, MIDI, JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmod_pipeline.audio import Pcm
from rmod_pipeline.errors import LibraryError, RecipeError, nearest
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.render import Pair
from rmod_pipeline.shards.layout import main_family
from rmod_pipeline.shards.midi import midi_bytes
from rmod_pipeline.spec import PairSpec

FORMATS = ("wav", "flac")

MIX = "mix"

LONGEST_KIND = 70
"""A USTAR member's name has 100 letters: ``train-00000012.stem-KIND.flac``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStorage:
    """How a data set's sound is stored."""

    audio_format: str = "wav"
    stem_kinds: tuple[str, ...] = ()
    """The tracks whose stems are stored."""
    kept: bool = True
    """Whether it is stored at all; if not, the index still tells the checksums of what rendering gives."""

    @property
    def family(self) -> str:
        """The family of shards whose receipts say that a shard of pairs is done."""
        return main_family(self.kept)


def encode_members(pair: Pair, library: Library, form: AudioStorage) -> dict[str, bytes]:
    """Return a pair's files by suffix, in the order in which they stand in a tar.

    A stem that the pair lacks is silence: readers infer their columns from the first pair, so all have the same.
    """
    rate, ending = pair.spec.settings.sample_rate, form.audio_format
    members = {f"{MIX}.{ending}": encode_audio(pair.mix, rate, ending)}
    for kind, target in pair.targets.items():
        members[f"{kind}.{ending}"] = encode_audio(target, rate, ending)
    for kind in form.stem_kinds:
        stem = pair.stems.get(kind, np.zeros_like(pair.mix))
        members[f"stem-{kind}.{ending}"] = encode_audio(stem, rate, ending)
    members["mid"] = midi_bytes(pair.spec)
    members["json"] = encode_json(describe_pair(pair, library))
    return members


def member_names(targets: Iterable[str], form: AudioStorage) -> list[str]:
    """Return the suffixes of a pair's files, the same for every pair, in their order."""
    sounds = [MIX, *targets, *(f"stem-{kind}" for kind in form.stem_kinds)]
    return [*(f"{sound}.{form.audio_format}" for sound in sounds), "mid", "json"]


def encode_audio(pcm: Pcm, sample_rate: int, audio_format: str) -> bytes:
    """Return a 16-bit file of [channels, frames]."""
    import soundfile

    stream = io.BytesIO()
    soundfile.write(stream, pcm.T, sample_rate, format=audio_format.upper(), subtype="PCM_16")
    return stream.getvalue()


def audio_member(members: Iterable[str], sound: str) -> str | None:
    """Return what a sound's file is called among a pair's, whatever its format; None if it is not there."""
    names = set(members)
    return next((name for name in (f"{sound}.{ending}" for ending in FORMATS) if name in names), None)


def decode_audio(data: bytes) -> tuple[Pcm, int]:
    """Return the 16-bit samples [channels, frames] of a member and its rate in Hz."""
    import soundfile

    samples, sample_rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    return np.ascontiguousarray(samples.T), sample_rate


def describe_pair(pair: Pair, library: Library) -> dict[str, Any]:
    """Return what stands in a pair's JSON: the spec that rebuilds it, its levels, the sounds it was made of."""
    return {
        "spec": pair.spec.to_dict(),
        "measured": pair.measured.to_dict(),
        "sources": list_sources(pair.spec, library),
    }


def list_sources(spec: PairSpec, library: Library) -> list[dict[str, str]]:
    """Return the sounds of a pair with what their licences ask to be passed on."""
    return [_source(kind, _asset(asset, library)) for kind, asset, _ in spec.sources()]


def check_kinds(kinds: Iterable[str], about: object) -> None:
    """Raise RecipeError for a kind that cannot be part of a file's name in a tar."""
    for kind in kinds:
        if kind == MIX:
            raise RecipeError(about, f"a kind is called '{MIX}', as the mixture is", "give it another name")
        if len(kind) > LONGEST_KIND:
            found = f"the kind '{kind}' has {len(kind)} letters, a tar has room for {LONGEST_KIND}"
            raise RecipeError(about, found, "give it a shorter name")


def encode_json(content: dict[str, Any]) -> bytes:
    """Return JSON in one line with a fixed order of keys."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _asset(asset: str, library: Library) -> Asset:
    # A loop may come from the cache of shifted ones, so that nobody has asked the library for it yet.
    if asset not in library.by_id:
        raise LibraryError(
            library.manifest,
            f"no sound {asset!r}{nearest(asset, library.by_id)}",
            "use the library that the pair was built from",
        )
    return library.by_id[asset]


def _source(kind: str, asset: Asset) -> dict[str, str]:
    return {
        "kind": kind,
        "id": asset.id,
        "sha256": asset.sha256,
        "kit": asset.kit,
        "group": asset.group,
        "licence": asset.licence,
        "source": asset.source,
    }
