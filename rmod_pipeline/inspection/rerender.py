"""Render stored pairs again from the JSON beside them, and compare bit by bit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmod_pipeline.audio import SILENCE_DB, from_pcm, gain_to_db, rms
from rmod_pipeline.library.asset import Library
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.render import Sounds, render_pair
from rmod_pipeline.shards.members import FORMATS, AudioStorage, decode_audio, encode_members

BOUND_DB = -60.0
"""Elsewhere, with other versions or another processor: the most that a file may differ from the stored one, RMS of the
difference over RMS of the stored, in dB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One file that did not come out the same."""

    name: str
    """As in the tar: train-00000012.mix.wav."""
    level_db: float | None
    """RMS of the difference over RMS of the stored file; None if they cannot be compared."""

    def __str__(self) -> str:
        said = "cannot be compared" if self.level_db is None else f"differs at {self.level_db:.1f} dB"
        return f"{self.name}: {said}"

    @property
    def within_bound(self) -> bool:
        return self.level_db is not None and self.level_db <= BOUND_DB


def rerender(stored: StoredPair, library: Library, sounds: Sounds) -> list[Difference]:
    """Return the files of a pair that come out different when it is rendered again; none if all are the same bytes.

    Raises LibraryError or AssetError if a sound cannot be had.
    """
    spec = stored.spec()
    again = encode_members(render_pair(spec, sounds), library, _form(stored))
    names = dict.fromkeys([*stored.members, *again])
    return [
        Difference(name=f"{stored.key}.{name}", level_db=_level(stored.members.get(name), again.get(name), name))
        for name in names
        if stored.members.get(name) != again.get(name)
    ]


def rerender_checksums(
    stored: StoredPair, members: Sequence[Mapping[str, Any]], library: Library, sounds: Sounds
) -> list[Difference]:
    """Do the same for a pair whose sound is not kept: compare with the checksums of ``members``, from its index.

    They tell that a file differs, but not by how much.
    """
    names = [str(member["name"]) for member in members]
    form = _form(StoredPair(key=stored.key, members=dict.fromkeys(names, b"")))
    again = encode_members(render_pair(stored.spec(), sounds), library, form)
    found = {name: hashlib.sha256(data).hexdigest() for name, data in again.items()}
    wanted = {str(member["name"]): member["sha256"] for member in members}
    return [
        Difference(name=f"{stored.key}.{name}", level_db=None)
        for name in dict.fromkeys([*wanted, *found])
        if wanted.get(name) != found.get(name)
    ]


def _form(stored: StoredPair) -> AudioStorage:
    """Return the form that a pair was stored in, as its files' names tell."""
    audio = [name.partition(".") for name in stored.members if name.endswith(FORMATS)]
    stems = tuple(kind.removeprefix("stem-") for kind, _, _ in audio if kind.startswith("stem-"))
    return AudioStorage(audio_format=audio[0][2] if audio else FORMATS[0], stem_kinds=stems)


def _same_but_levels(stored: bytes, again: bytes) -> bool:
    """Return whether two descriptions tell the same but for the levels, which differ with the sound they measure."""
    one, other = json.loads(stored), json.loads(again)
    return all(one.get(name) == other.get(name) for name in dict.fromkeys([*one, *other]) if name != "measured")


def _level(stored: bytes | None, again: bytes | None, name: str) -> float | None:
    if stored is None or again is None:
        return None
    if not name.endswith(FORMATS):
        return SILENCE_DB if name == "json" and _same_but_levels(stored, again) else None
    one, other = from_pcm(decode_audio(stored)[0]), from_pcm(decode_audio(again)[0])
    if one.shape != other.shape:
        return None
    difference, reference = rms(np.subtract(one, other)), rms(one)
    return gain_to_db(difference / reference) if reference > 0 else gain_to_db(difference)
