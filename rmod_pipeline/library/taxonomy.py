"""What folder and file names say of a sound: kind, kit, licence and source.

A folder that is named after a kind and nothing else ("Kicks", "02 Closed Hats") is believed first, the nearest one
before others; then the file's name; then words amid others in folder names ("Big Room Kicks Vol. 2"). A name that
speaks of two kinds says nothing. Short codes (BD, SD, HH) and bare 808 count in file names and in folders of their own
only: a folder "TR-808" is a kit, not a kick.
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
"""Kinds of single hits, which have a tighter limit of length; every other kind is a loop or a phrase."""

_WORDS: dict[str, tuple[str, ...]] = {
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
_FILLER = frozenset(
    {
        "sample",
        "samples",
        "sound",
        "sounds",
        "audio",
        "wav",
        "wave",
        "wavs",
        "flac",
        "mp3",
        "ogg",
        "aiff",
        "one",
        "shot",
    }
    | {"shots", "oneshot", "oneshots", "drum", "drums", "loop", "loops", "hit", "hits", "single", "singles", "the", "s"}
    | {"and", "of", "my", "all", "other"}
)
_PHRASES = sorted(
    ((phrase, kind) for kind, phrases in _WORDS.items() for phrase in phrases), key=lambda entry: -len(entry[0])
)
# One group a phrase, the longest first, each word perhaps in the plural: a bass drum is no bass.
_SPOKEN = re.compile(
    r"\b(?:" + "|".join("(" + " ".join(f"{word}s?" for word in phrase.split()) + ")" for phrase, _ in _PHRASES) + r")\b"
)
_TOKEN = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CC0 = re.compile(r"\bcc[ _-]?0\b|\bpublic[ _-]domain\b", re.IGNORECASE)
_CC_BY = re.compile(r"\bcc[ _-]by((?:[ _-](?:nc|sa|nd))*)[ _-](\d\.\d)\b", re.IGNORECASE)
_SPDX = re.compile(r"\(?[A-Za-z0-9.+-]+\)?(?: (?:AND|OR|WITH) \(?[A-Za-z0-9.+-]+\)?)*")
_FREESOUND = re.compile(r"(?:^|__)(\d{2,8})__([^/]+?)__")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathDescription:
    """What is known of a sound before it is heard; empty where nothing is."""

    kind: str = ""
    kit: str = ""
    licence: str = ""
    source: str = ""


def describe_path(path: PurePosixPath) -> PathDescription:
    """Return what a file's path, relative to the scanned folder, says of it."""
    folders = path.parts[-2::-1]
    return PathDescription(
        kind=_kind(path.stem, folders),
        kit=next((folder.strip() for folder in folders if not _is_bare(folder)), ""),
        licence=_licence(str(path)),
        source=_source(path.stem, folders),
    )


def kind_of(name: str, codes: bool) -> str:
    """Return the one kind that a name speaks of; empty for none and for several. ``codes``: BD, SD, 808 count too."""
    kinds, rest = _spoken(name)
    if not kinds and codes:
        kinds = {_CODES[token] for token in rest if token in _CODES}
    return next(iter(kinds)) if len(kinds) == 1 else ""


def checked_licence(text: str) -> str:
    """Return a licence as given. Raises UsageError if it is no SPDX expression by its form."""
    if text and not _SPDX.fullmatch(text):
        hint = "write an SPDX identifier (CC0-1.0, CC-BY-4.0, MIT) or LicenseRef-NAME"
        raise UsageError("--licence", f"{text!r} is no SPDX identifier", hint)
    return text


def _kind(stem: str, folders: Sequence[str]) -> str:
    bare = (kind_of(folder, codes=True) for folder in folders if _is_bare(folder))
    mixed = (kind_of(folder, codes=False) for folder in folders if not _is_bare(folder))
    return next((kind for kind in (*bare, kind_of(stem, codes=True), *mixed) if kind), "")


def _spoken(name: str) -> tuple[set[str], list[str]]:
    """Return the kinds that a name's words stand for and the words that stand for none."""
    text = " ".join(_tokens(name))
    kinds = {_PHRASES[(match.lastindex or 1) - 1][1] for match in _SPOKEN.finditer(text)}
    return kinds, _SPOKEN.sub(" ", text).split()


@lru_cache(maxsize=4096)
def _is_bare(folder: str) -> bool:
    """Say whether a folder's name holds nothing but kinds, numbers and words that say nothing, such as "samples"."""
    _, rest = _spoken(folder)
    return all(token.isdecimal() or token in _FILLER or token in _CODES for token in rest)


def _tokens(name: str) -> list[str]:
    return [token.lower() for token in _TOKEN.findall(_HUMP.sub(" ", name))]


def _licence(text: str) -> str:
    if match := _CC_BY.search(text):
        return f"CC-BY{match[1].upper().replace(' ', '-').replace('_', '-')}-{match[2]}"
    return "CC0-1.0" if _CC0.search(text) else ""


def _source(stem: str, folders: Sequence[str]) -> str:
    """Return where Freesound's own file names come from, else the outermost folder that names a pack."""
    if match := _FREESOUND.search(stem):
        return f"freesound:{match[1]} by {match[2]}"
    return next((folder.strip() for folder in reversed(folders) if not _is_bare(folder)), "")
