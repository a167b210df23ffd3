"""The plain form of words, in which names and the table of kinds are compared."""

from __future__ import annotations

import unicodedata

_IDEOGRAPHS = ("\u3040", "\u9fff")
"""The first and the last character of Japanese and Chinese words, between which names have no spaces."""


def strip_accents(text: str) -> str:
    """Return a text in small letters without accents and other combining marks."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character)).lower()


def is_ideographic(word: str) -> bool:
    """Return whether a word has a Japanese or Chinese character, so that it may stand in a longer one."""
    first, last = _IDEOGRAPHS
    return any(first <= character <= last for character in word)


def check_phrase(text: str) -> str:
    """Return a phrase unchanged.

    Raises ValueError if it is empty, has capitals, or anything but single spaces between its words: it would never be
    found in a name.
    """
    if not text or text != text.lower() or text != " ".join(text.split()):
        raise ValueError(f"{text!r} is not in small letters with single spaces between words")
    return text
