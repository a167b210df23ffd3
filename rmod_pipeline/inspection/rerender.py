"""Render stored pairs again from their JSON, and compare the files with the stored ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmod_pipeline.audio import SILENCE_DB, from_pcm, gain_to_db, rms
from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.findings import Finding
from rmod_pipeline.library.asset import Library
from rmod_pipeline.reading.loader import STEM
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.render import Sounds, render_pair
from rmod_pipeline.shards.members import FORMATS, AudioStorage, decode_audio, encode_members

BOUND_DB = -60.0
"""The largest difference of audio with other versions or on another processor: RMS of the difference over RMS of the
stored file, in dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One file of a pair that differs from the stored file."""

    name: str
    """As in the tar: train-00000012.mix.wav."""
    level_db: float | None
    """RMS of the difference over RMS of the stored file; None if they cannot be compared."""

    @property
    def within_bound(self) -> bool:
        """Whether the difference is allowed with other versions or on another processor."""
        return self.level_db is not None and self.level_db <= BOUND_DB

    def to_finding(self) -> Finding:
        """Return the difference as a finding."""
        found = "differs, and cannot be compared" if self.level_db is None else f"differs at {self.level_db:.1f} dB"
        return Finding(about=self.name, found=found)


def compare_files(stored: StoredPair, library: Library, sounds: Sounds) -> list[Difference]:
    """Render a pair again, and return the files whose bytes differ.

    Raises LibraryError or AssetError for a sound that is missing or unreadable.
    """
    rerendered = encode_members(render_pair(stored.spec(), sounds), library, _infer_storage(stored.members))
    names = dict.fromkeys([*stored.members, *rerendered])
    return [
        Difference(
            name=f"{stored.key}.{name}",
            level_db=_compare_levels(stored.members.get(name), rerendered.get(name), name),
        )
        for name in names
        if stored.members.get(name) != rerendered.get(name)
    ]


def compare_checksums(
    stored: StoredPair, members: Sequence[Mapping[str, Any]], library: Library, sounds: Sounds
) -> list[Difference]:
    """Render a pair without stored audio again, and return the files that differ from the checksums in its index.

    ``members`` is the column of that name in the index. The size of a difference is unknown, except that levels may
    differ in the JSON, which is stored. Raises as ``compare_files``.
    """
    expected = {str(member["name"]): member["sha256"] for member in members}
    rerendered = encode_members(render_pair(stored.spec(), sounds), library, _infer_storage(expected))
    checksums = {name: hashlib.sha256(data).hexdigest() for name, data in rerendered.items()}
    return [
        Difference(
            name=f"{stored.key}.{name}",
            level_db=_compare_levels(stored.members.get(name), rerendered.get(name), name) if name == "json" else None,
        )
        for name in dict.fromkeys([*expected, *checksums])
        if expected.get(name) != checksums.get(name)
    ]


def _infer_storage(names: Iterable[str]) -> AudioStorage:
    """Return audio format and stems of a stored pair, inferred from the names of its files."""
    audio = [name.rpartition(".") for name in names if name.endswith(FORMATS)]
    stems = tuple(sound.removeprefix(STEM) for sound, _, _ in audio if sound.startswith(STEM))
    return AudioStorage(audio_format=audio[0][2] if audio else FORMATS[0], stem_kinds=stems)


def _compare_levels(stored: bytes | None, rerendered: bytes | None, name: str) -> float | None:
    """Return the level of the difference of two files in dB, or None if they cannot be compared."""
    if stored is None or rerendered is None:
        return None
    if not name.endswith(FORMATS):
        return SILENCE_DB if name == "json" and _equal_except_levels(stored, rerendered) else None
    try:
        before, after = from_pcm(decode_audio(stored)[0]), from_pcm(decode_audio(rerendered)[0])
    except ShardError:
        return None
    if before.shape != after.shape:
        return None
    difference, reference = rms(np.subtract(before, after)), rms(before)
    return gain_to_db(difference / reference) if reference > 0 else gain_to_db(difference)


def _equal_except_levels(stored: bytes, rerendered: bytes) -> bool:
    """Return whether two descriptions are equal except for the measured levels, which change with the audio."""
    before, after = json.loads(stored), json.loads(rerendered)
    return all(before.get(key) == after.get(key) for key in dict.fromkeys([*before, *after]) if key != "measured")
