"""Make names that Windows, macOS and Linux take, and tell which names they may take for one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

MAX_NAME_BYTES = 255
"""The longest name of a file or folder, in UTF-8; no file system of today takes less."""

_MAX_SUFFIX_BYTES = 32
"""A longer suffix is a part of the name: "Kick. The best one ever"."""
_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³"}
)
"""Names of devices on Windows, with any suffix."""
_SUBSTITUTE = "_"


def safe_name(text: str) -> str:
    """Return a text as the name of a folder that every system takes; never empty.

    Characters that Windows or macOS refuse become ``_``. Spaces at both ends and dots at the end are cut. A dot at the
    beginning, which hides a file, becomes ``_``. The name of a device, such as CON, gets a ``_``.
    """
    return _shorten(_clean(text), "", MAX_NAME_BYTES) or _SUBSTITUTE


def safe_file_name(stem: str, suffix: str, number: int = 1) -> str:
    """Return the name of a file that every system takes; from number 2 on, ``-NUMBER`` follows the stem.

    suffix: with its dot, or empty. A name that is too long loses the end of its stem.
    """
    if len(suffix.encode("utf-8", "replace")) > _MAX_SUFFIX_BYTES:
        stem, suffix = stem + suffix, ""
    suffix = _ILLEGAL.sub(_SUBSTITUTE, unicodedata.normalize("NFC", suffix)).rstrip(" .")
    ending = (f"-{number}" if number > 1 else "") + suffix
    stem = _clean(stem) or _SUBSTITUTE
    return _shorten(stem, ending, MAX_NAME_BYTES)


def name_key(name: str) -> str:
    """Return a key that two names share if any system may take them for one: kick.wav and KICK.WAV, both forms of é."""
    if name.isascii():
        return name.casefold()  # most names, ten times as fast
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", visible).upper().casefold())


def path_key(parts: Iterable[str]) -> str:
    """Return the key of a path, given by its parts: the keys of its names, joined by slashes."""
    return "/".join(map(name_key, parts))


def _clean(text: str) -> str:
    """Return a text without what a system refuses in a name; may be empty."""
    name = _ILLEGAL.sub(_SUBSTITUTE, unicodedata.normalize("NFC", text)).strip(" ").rstrip(" .")
    if name.startswith("."):
        name = _SUBSTITUTE + name[1:]
    device, dot, rest = name.partition(".")
    if name_key(device.rstrip(" ")) in _RESERVED_KEYS:
        name = device.rstrip(" ") + _SUBSTITUTE + dot + rest
    return name


def _shorten(stem: str, ending: str, limit: int) -> str:
    """Return stem and ending in at most ``limit`` bytes: the stem loses its end, between two characters."""
    room = limit - len(ending.encode())
    cut = stem.encode()[:room].decode("utf-8", "ignore")
    # What a cut bares at the end must be legal there too.
    return (cut if cut == stem else cut.rstrip(" .")) + ending


_RESERVED_KEYS = frozenset(map(name_key, _RESERVED))
