"""Guess the kind, kit, licence and source of a sound from folder and file names.

The kind comes from the nearest folder that is named after a kind and nothing else ("Kicks", "02 Closed Hats"); else
from the file's name; else from a word among others in a folder's name ("Big Room Kicks Vol. 2"). A name that mentions
two kinds is ignored. Short codes (BD, SD, HH) and a plain 808 count only in file names and in folders of their own: a
folder "TR-808" is a kit, not a kick.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from rmod_pipeline.errors import UsageError

ONE_SHOT_KINDS = frozenset(
    {"kick", "snare", "hihat", "open_hihat", "tom", "cymbal", "clap", "rim", "cowbell", "shaker", "tambourine", "conga"}
)
"""Kinds of single hits, which have a shorter length limit; every other kind is a loop or a phrase."""

_KIND_PHRASES: dict[str, tuple[str, ...]] = {
    "kick": ("kick", "kick drum", "kickdrum", "bass drum", "bassdrum", "kik", "kck"),
    "snare": ("snare", "snare drum", "snaredrum", "snr"),
    "open_hihat": (
        *("open hat", "open hi hat", "open hihat", "openhat", "openhihat", "ohh", "hat open", "hats open", "open hh"),
        *("hi hat open", "hihat open"),
    ),
    "hihat": (
        *("hi hat", "hihat", "hat", "closed hat", "closed hi hat", "closed hihat", "closedhat", "chh", "hat closed"),
        *("hi hat closed", "hihat closed", "pedal hat", "pedal hihat", "high hat"),
    ),
    "tom": ("tom", "tom tom", "floor tom", "rack tom", "tomtom"),
    "cymbal": ("cymbal", "crash", "ride", "china", "splash", "crash cymbal", "ride cymbal", "cymb"),
    "clap": ("clap", "hand clap", "handclap"),
    "rim": ("rim", "rimshot", "rim shot", "side stick", "sidestick", "cross stick"),
    "cowbell": ("cowbell", "cow bell"),
    "shaker": ("shaker", "maraca", "cabasa"),
    "tambourine": ("tambourine", "tamb"),
    "conga": ("conga", "bongo"),
    "bass": ("bass", "sub bass", "subbass", "bassline", "bass line", "bass guitar", "e bass", "synth bass", "reese"),
    "piano": ("piano", "keys", "rhodes", "wurlitzer", "electric piano", "keyboard", "wurli"),
    "guitar": ("guitar", "gtr", "electric guitar", "acoustic guitar"),
    "vocal": ("vocal", "vox", "voice", "acapella", "acappella", "singing", "adlib"),
}
_CODES = {
    "bd": "kick", "808": "kick", "kd": "kick", "sd": "snare", "sn": "snare", "hh": "hihat", "ch": "hihat",
    "oh": "open_hihat", "cp": "clap", "cy": "cymbal", "rs": "rim", "cb": "cowbell", "lt": "tom", "mt": "tom",
    "ht": "tom", "gt": "guitar", "pno": "piano",
}  # fmt: skip
_FILLER_WORDS = frozenset({
    "sample", "samples", "sound", "sounds", "audio", "wav", "wave", "wavs", "flac", "mp3", "ogg", "aiff", "one", "shot",
    "shots", "oneshot", "oneshots", "drum", "drums", "loop", "loops", "hit", "hits", "single", "singles", "the", "s",
    "and", "of", "my", "all", "other",
})  # fmt: skip
_PHRASES = sorted(
    ((phrase, kind) for kind, phrases in _KIND_PHRASES.items() for phrase in phrases), key=lambda entry: -len(entry[0])
)
# One regex group per phrase, words optionally in the plural. The longest phrase is first: a bass drum is no bass.
_PHRASE_PATTERN = re.compile(
    r"\b(?:" + "|".join("(" + " ".join(f"{word}s?" for word in phrase.split()) + ")" for phrase, _ in _PHRASES) + r")\b"
)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CC0 = re.compile(r"\bcc[ _-]?0\b|\bpublic[ _-]domain\b", re.IGNORECASE)
_CC_BY = re.compile(r"\bcc[ _-]by((?:[ _-](?:nc|sa|nd))*)[ _-](\d\.\d)\b", re.IGNORECASE)
_SPDX = re.compile(r"\(?[A-Za-z0-9.+-]+\)?(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*")
_FREESOUND = re.compile(r"(?:^|__)(\d{2,8})__([^/]+?)__")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDescription:
    """Properties of a sound that are known before its audio is read; empty if unknown."""

    kind: str = ""
    kit: str = ""
    licence: str = ""
    source: str = ""


def describe_path(path: PurePosixPath) -> PathDescription:
    """Guess a sound's properties from its path relative to the scanned folder."""
    folders = path.parts[-2::-1]
    return PathDescription(
        kind=_guess_kind_of_path(path.stem, folders),
        kit=next((folder.strip() for folder in folders if not _is_kind_folder(folder)), ""),
        licence=_guess_licence(str(path)),
        source=_guess_source(path.stem, folders),
    )


def guess_kind(name: str, codes: bool) -> str:
    """Return the kind that a name mentions, empty for none or several; ``codes`` allows BD, SD, 808 and the like."""
    kinds, other_words = _match_kinds(name)
    if not kinds and codes:
        kinds = {_CODES[word] for word in other_words if word in _CODES}
    return next(iter(kinds)) if len(kinds) == 1 else ""


def parse_licence(text: str) -> str:
    """Return a licence unchanged. Raises UsageError if it does not have the form of an SPDX expression."""
    if text and not _SPDX.fullmatch(text):
        hint = "write an SPDX identifier (CC0-1.0, CC-BY-4.0, MIT) or LicenseRef-NAME"
        raise UsageError("--licence", f"{text!r} is not an SPDX identifier", hint)
    return text


def _guess_kind_of_path(stem: str, folders: Sequence[str]) -> str:
    """Return the kind of a file; ``folders`` are the names of its folders, the innermost first."""
    from_kind_folders = (guess_kind(folder, codes=True) for folder in folders if _is_kind_folder(folder))
    from_other_folders = (guess_kind(folder, codes=False) for folder in folders if not _is_kind_folder(folder))
    return next((kind for kind in (*from_kind_folders, guess_kind(stem, codes=True), *from_other_folders) if kind), "")


def _match_kinds(name: str) -> tuple[set[str], list[str]]:
    """Return the kinds that a name mentions, and the remaining words."""
    text = " ".join(_split_words(name))
    kinds = {_PHRASES[(match.lastindex or 1) - 1][1] for match in _PHRASE_PATTERN.finditer(text)}
    return kinds, _PHRASE_PATTERN.sub(" ", text).split()


@lru_cache(maxsize=4096)
def _is_kind_folder(folder: str) -> bool:
    """Return whether a folder's name consists of kinds, numbers and filler words such as "samples"."""
    _, other_words = _match_kinds(folder)
    return all(word.isdecimal() or word in _FILLER_WORDS or word in _CODES for word in other_words)


def _split_words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_CAMEL_CASE_BOUNDARY.sub(" ", name))]


def _guess_licence(text: str) -> str:
    if match := _CC_BY.search(text):
        return f"CC-BY{match[1].upper().replace(' ', '-').replace('_', '-')}-{match[2]}"
    return "CC0-1.0" if _CC0.search(text) else ""


def _guess_source(stem: str, folders: Sequence[str]) -> str:
    """Return the Freesound id and author if the file name has Freesound's form, else the outermost pack's name."""
    if match := _FREESOUND.search(stem):
        return f"freesound:{match[1]} by {match[2]}"
    return next((folder.strip() for folder in reversed(folders) if not _is_kind_folder(folder)), "")
