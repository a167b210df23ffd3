"""Split a name into words, including words that are glued together: ``clubkick``, ``OpenHH2``, ``DR110CHT``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rmod_pipeline.library.kinds import vocabulary as v
from rmod_pipeline.library.kinds.plain_text import is_ideographic, strip_accents

_RUN = re.compile(r"[^\W\d_]+|\d+")
_CAMEL_CASE_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_AUTHOR = re.compile(r"(^|__)\d{2,8}__[^/]+?__")
"""The number and author in a Freesound name: an author may be called tomsnare."""
_POSSESSIVE_TOM = re.compile(r"\btom['’´`]s\b", re.IGNORECASE)
_PLURAL_APOSTROPHE = re.compile(r"(?<=[^\W\d_])['’´`](?=s\b)", re.IGNORECASE)
_MAX_GLUED_WORDS = 4


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a name."""

    text: str
    """In small letters, without accents."""
    is_capitalised: bool
    is_known: bool
    """Whether the word is in the vocabulary, alone or glued to others."""


@lru_cache(maxsize=16384)
def split_words(name: str) -> tuple[Word, ...]:
    """Return the words and numbers of a name, in order. A possessive Tom's is left out, because it names a person."""
    text = unicodedata.normalize("NFKC", _AUTHOR.sub(r"\1", name))
    text = _PLURAL_APOSTROPHE.sub("", _POSSESSIVE_TOM.sub(" ", text)).replace("&", " and ").replace("+", " and ")
    return tuple(word for run in _RUN.findall(text) for word in _split_run(run))


def _split_run(run: str) -> Iterator[Word]:
    """Split a run of letters: a known word, known words glued together, or the parts of camel case."""
    if run.isdecimal():
        yield Word(run, False, False)
        return
    pieces = _split_known(run)
    if pieces:
        yield from _make_words(pieces, run)
        return
    parts = _CAMEL_CASE_BOUNDARY.sub(" ", run).split()
    known = [_split_known(part) or _find_strong_word(strip_accents(part)) for part in parts]
    for index, part in enumerate(parts):
        is_before_unknown = index + 1 < len(parts) and not known[index + 1]
        if known[index] and not (is_before_unknown and part.lower() in _ABBREVIATIONS):
            yield from _make_words(known[index], part)
        else:
            # The Cy of CyCdh is no cymbal.
            yield Word(strip_accents(part if not known[index] else part + parts[index + 1]), part[0].isupper(), False)


def _make_words(pieces: Sequence[str], text: str) -> Iterator[Word]:
    return (Word(piece, index == 0 and text[0].isupper(), True) for index, piece in enumerate(pieces))


def _split_known(run: str) -> tuple[str, ...]:
    """Return the known words that letters consist of; empty if there are others."""
    text = strip_accents(run)
    # A v before a number is a velocity: kickv12.
    return _split_glued(text) or (_split_glued(text[:-1]) if text.endswith("v") else ())


def _split_glued(text: str) -> tuple[str, ...]:
    """Return the known words that a text consists of, as few as possible; empty if it is not made of known words."""
    if singular(text) in KNOWN_WORDS:
        return (text,)
    if text in v.NOT_GLUED:
        return ()
    shortest: list[tuple[str, ...] | None] = [(), *[None] * len(text)]
    for end in range(1, len(text) + 1):
        for start in range(end):
            before, piece = shortest[start], text[start:end]
            if before is None or len(before) == _MAX_GLUED_WORDS or not _can_be_glued(piece, end == len(text)):
                continue
            best = shortest[end]
            if best is None or len(before) + 1 < len(best):
                shortest[end] = (*before, piece)
    pieces = shortest[-1] or ()
    return pieces if any(singular(piece) in _NAMING_WORDS for piece in pieces) else ()


def _can_be_glued(piece: str, is_last: bool) -> bool:
    if len(piece) == 1:
        return is_last and piece in "lmh"
    return piece in _GLUED_WORDS or (singular(piece) in _GLUED_WORDS and is_last)


def _find_strong_word(text: str) -> tuple[str, ...]:
    """Return the strong word that a longer word begins or ends with, and the rest of it."""
    if text in v.NOT_GLUED:
        return ()
    plain = singular(text)
    for word in _STRONG_WORDS:
        if plain.endswith(word):
            return tuple(filter(None, (plain[: -len(word)], word)))
        if plain.startswith(word):
            return (word, plain[len(word) :])
    return ()


def singular(text: str) -> str:
    """Return a word without its plural s, if that is a known word."""
    for ending in ("es", "s"):
        if text.endswith(ending) and text not in KNOWN_WORDS and text[: -len(ending)] in KNOWN_WORDS:
            return text[: -len(ending)]
    return text


def _plain(words: Iterator[str] | frozenset[str] | dict[str, str]) -> frozenset[str]:
    return frozenset(strip_accents(word) for word in words)


_KIND_WORDS = _plain(word for phrases in v.KIND_PHRASES.values() for phrase in phrases for word in phrase.split())
# "hi", "drum", "side": words of phrases that name no kind by themselves are not naming words.
_NAMING_WORDS = _plain(phrase for phrases in v.KIND_PHRASES.values() for phrase in phrases if " " not in phrase) | {
    code for code in v.CODES if len(code) > 1
}
_STRONG_WORDS = sorted(
    {*v.STRONG_WORDS, *(word for word in _NAMING_WORDS if is_ideographic(word))}, key=lambda word: (-len(word), word)
)
KNOWN_WORDS = (
    _KIND_WORDS
    | _plain(v.CODES)
    | _plain(v.WEAK_CODES)
    | _plain(v.OTHER_SOUNDS)
    | v.SPEECH
    | v.MICROPHONE_WORDS
    | v.MICROPHONE_POSITIONS
    | v.MICROPHONE_SIDES
    | v.MACHINE_WORDS
    | v.KIT_WORDS
    | v.FILLER_WORDS
    | v.DESCRIPTORS
    | _plain(v.LOOP_WORDS)
    | _plain(v.PATTERN_WORDS)
    | _plain(v.ROLL_WORDS)
)
"""Every word of the vocabulary, in small letters and without accents."""
_ABBREVIATIONS = v.CODES.keys() | v.WEAK_CODES.keys()
_GLUED_WORDS = frozenset(
    word
    for word in (
        *_KIND_WORDS,
        *v.CODES,
        *(word for word in v.DESCRIPTORS | v.MACHINE_WORDS if len(word) > 2 or word in ("hi", "lo")),
        *v.MICROPHONE_WORDS,
        *_plain(v.LOOP_WORDS),
        *_plain(v.ROLL_WORDS),
        *("less", "shot", "shots", "oneshot", "perc"),
    )
    if len(word) > 1
)
