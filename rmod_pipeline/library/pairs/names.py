"""Tell from the path of a file which sound of which pair it holds.

Every folder of pairs names both, in one of these ways:

0001.mix.wav, 0001.kick.wav     the sound after the last full stop
0001_mix.wav, 0001-kick.wav     the sound after the last _ or -
mix/0001.wav, kick/0001.wav     a folder per sound
0001/mix.wav, 0001/kick.wav     a folder per pair

``kick/predicted/19_mixed_kick_p.wav`` is an answer to ``wavs/19_mixed.wav``, as the public code of DOSE writes them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from rmod_pipeline.library.kinds.names import suggest_kind
from rmod_pipeline.library.manifest import SPLITS
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS

MIX = "mix"
"""The name of the mixture among the sounds of a pair."""

_MIX_WORDS = frozenset({"mix", "mixed", "mixes", "mixture", "mixtures", "mixedloop", "mixedloops"})
_SPLIT_FOLDERS = {**{split: split for split in SPLITS}, "training": "train", "val": "valid", "validation": "valid"}
_SPLIT_FOLDER = re.compile(r"(?:drum_data_)?(?P<split>[a-z]+)")
_WRAPPERS = frozenset({
    "answers", "audio", "gt", "labels", "mid", "midi", "onsets", "predicted", "predictions", "results", "target",
    "targets", "true", "truth", "wav", "wavs",
})  # fmt: skip
"""Folders that say nothing about the pair or the sound."""
_MARKS = ("_p", "_t", "_pred", "_predicted", "_true", "_gt", ".onsets", "_onsets")
"""Ends of names that say nothing about the pair or the sound."""
_FIRST_WORDS = frozenset({"hi", "open", "closed", "kick", "snare", "bass", "mixed"})
"""Words that belong to the next one: ``hi-hat``, ``kick_drum``, ``mixed_loop``."""
_LAST_WORD = re.compile(r"(?P<key>.*?)(?:[_\-. ]|^)(?P<word>[^_\-. ]+)")


@dataclass(frozen=True, slots=True)
class SoundName:
    """What the path of a file says."""

    split: str
    """The split that a folder names; empty if none does."""
    key: str
    """The name of the pair, with the folders that are neither a sound nor a split: ``rock/0001``."""
    sound: str
    """``mix`` or a kind such as ``kick``; empty if the path names none."""


def parse_sound_name(path: PurePosixPath, kinds: Collection[str] = ()) -> SoundName:
    """Return what a path relative to a folder of pairs says. ``kinds``: names of kinds beside those that rmod knows."""
    known = frozenset(kinds)
    folders = [*path.parts[:-1]]
    split = _take_split(folders)
    folders = [name for name in folders if name.lower() not in _WRAPPERS]
    sound = ""
    for position in reversed(range(len(folders))):
        sound = sound_of(folders[position], known)
        if sound:
            del folders[position]
            break
    stem = _without_marks(path.stem)
    own, own_sound = _split_stem(stem, known)
    if sound:
        # The folder decides: song_snare.wav in a folder mix is the mixture of the song called song_snare.
        key = own if own_sound == sound else stem
    elif own_sound:
        key, sound = own, own_sound
    else:
        key = stem
    if sound != MIX:
        without, rest = _split_stem(key, frozenset())
        key = without if rest == MIX else key
    names = [*folders, *([key] if key else [])]
    return SoundName(split=split, key="/".join(names), sound=sound)


@lru_cache(maxsize=4096)
def sound_of(word: str, kinds: frozenset[str] = frozenset()) -> str:
    """Return the sound that a word and nothing else names: mix, kick, Hi-Hat; empty if it names none."""
    plain = re.sub(r"[^a-z0-9]", "", word.lower())
    if plain in _MIX_WORDS:
        return MIX
    if word.lower() in kinds:
        return word.lower()
    kind, says_nothing_else = suggest_kind(word)
    has_letters = any(character.isalpha() for character in word)  # 808 may be the name of a pair
    return kind if says_nothing_else and has_letters and kind in ONE_SHOT_KINDS else ""


def _take_split(folders: list[str]) -> str:
    """Remove the outermost folder that names a split, and return the split."""
    for position, name in enumerate(folders):
        match = _SPLIT_FOLDER.fullmatch(name.lower())
        if match and match["split"] in _SPLIT_FOLDERS:
            del folders[position]
            return _SPLIT_FOLDERS[match["split"]]
    return ""


def _without_marks(stem: str) -> str:
    for mark in _MARKS:
        if stem.lower().endswith(mark) and len(stem) > len(mark):
            return stem[: -len(mark)]
    return stem


def _split_stem(stem: str, kinds: frozenset[str]) -> tuple[str, str]:
    """Return the part of a name before its sound, and the sound; the name and an empty text if it names none."""
    before, dot, last = stem.rpartition(".")
    sound = sound_of(last, kinds)
    if sound and dot:
        return before, sound
    match = _LAST_WORD.fullmatch(stem)
    if match is None:
        return stem, ""
    first = _LAST_WORD.fullmatch(match["key"]) if match["key"] else None
    if first and first["word"].lower() in _FIRST_WORDS:
        sound = sound_of(f"{first['word']} {match['word']}", kinds)
        if sound:
            return first["key"], sound
    sound = sound_of(match["word"], kinds)
    return (match["key"], sound) if sound else (stem, "")
