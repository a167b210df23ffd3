"""Compare texts without capitals and accents."""

from __future__ import annotations

import unicodedata


def strip_accents(text: str) -> str:
    """Return a text in small letters without accents and other combining marks."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(character for character in decomposed if not unicodedata.combining(character)).lower()
