"""Read the subkind of a sound from its name: Hat Open, Floor Tom, Crash 16."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from rmod_pipeline.library.kinds import vocabulary as v
from rmod_pipeline.library.kinds.plain_text import strip_accents
from rmod_pipeline.library.kinds.table import Kind, load_taxonomy
from rmod_pipeline.library.kinds.words import singular, split_words

Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassWords:
    """What names say about the subkinds of one class."""

    phrases: Mapping[Phrase, str]
    """The subkind of each phrase; empty for a phrase of the whole class."""
    codes: Mapping[str, str]
    weak_codes: Mapping[str, str]


def find_subkind(class_name: str, name: str) -> str:
    """Return the subkind of a class that a name tells; empty if it tells none or several.

    Words come first, then abbreviations, then abbreviations with other meanings. Beside a word for the class those that
    also name the position of a microphone decide nothing: the OH of Hat OH is the overhead microphone.
    """
    words = [word.text for word in split_words(name)]
    known = _read_class(class_name)
    found = _match_phrases(words, known.phrases)
    if any(found):
        return _only(found)
    codes = [known.codes[word] for word in words if word in known.codes]
    if any(codes):
        return _only(codes)
    is_named = bool(found or codes)
    return _only(
        [
            subkind
            for word, subkind in known.weak_codes.items()
            if word in words and not (is_named and word in v.MICROPHONE_POSITIONS)
        ]
    )


def _only(subkinds: Sequence[str]) -> str:
    """Return the one subkind of a list that may hold empty ones; empty if there are several."""
    different = set(subkinds) - {""}
    return different.pop() if len(different) == 1 else ""


def _match_phrases(words: Sequence[str], phrases: Mapping[Phrase, str]) -> list[str]:
    """Return the subkind of the longest phrase at each word, from left to right: a high floor tom is a low one."""
    longest, found, index = max(map(len, phrases), default=0), [], 0
    while index < len(words):
        step = 1
        for size in range(min(longest, len(words) - index), 0, -1):
            phrase = tuple(words[index : index + size])
            subkind = phrases.get(phrase, phrases.get(tuple(map(singular, phrase))))
            if subkind is not None:
                found.append(subkind)
                step = size
                break
        index += step
    return found


@cache
def _read_class(class_name: str) -> _ClassWords:
    rows = [row for row in load_taxonomy().kinds if row.class_name == class_name and not row.member]
    return _ClassWords(
        phrases={tuple(strip_accents(text).split()): row.subkind for row in rows for text in _phrases(row)},
        codes={code: row.subkind for row in rows for code in row.codes},
        weak_codes={code: row.subkind for row in rows for code in row.weak_codes},
    )


def _phrases(row: Kind) -> tuple[str, ...]:
    return (*row.words, *row.marks)
