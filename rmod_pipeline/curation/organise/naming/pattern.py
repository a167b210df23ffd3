"""Turn a pattern such as ``{kind}/{subkind}/{name}`` and what is known of a sound into folders and a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath
from string import Formatter

from rmod_pipeline.curation.organise.naming.safe_names import safe_name
from rmod_pipeline.curation.organise.records import UNKNOWN, SourceSound
from rmod_pipeline.errors import UsageError, nearest

DEFAULT_PATTERN = "{kind}/{subkind}/{brightness}-{length}/{name}"

FIELDS: Mapping[str, str] = {
    "kind": f"the class, such as hihat; {UNKNOWN} without a certain one",
    "subkind": "the part of the class, such as open; loop or roll for several hits",
    "kit": "the kit or pack that folder names or a manifest give",
    "brightness": "dark, warm or bright among the sounds of its kind",
    "length": "short, medium or long",
    "seconds": "the length in seconds, such as 0.35",
    "rate": "the sample rate in Hz, such as 44100",
    "channels": "mono or stereo; a number from three on",
    "licence": "the licence, as an SPDX identifier",
    "source": "the origin that names or a manifest give",
    "name": "the name of the file without its suffix",
}
"""What a pattern may say, and what it means."""

_CHANNELS = {1: "mono", 2: "stereo"}

Token = tuple[str, str]
"""A text, and the field after it; the field is empty for a text at the end."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern that is valid."""

    parts: tuple[tuple[Token, ...], ...]
    """The folders, from the outermost on, and the file name without suffix."""

    def render(self, sound: SourceSound) -> tuple[list[str], str]:
        """Return the names of the folders, which every system takes, and the file name as it is, without suffix.

        A folder whose fields are all empty is left out. A file name whose fields are all empty is the old one.
        """
        values = field_values(sound)
        *folders, name = (_render_part(part, values) for part in self.parts)
        return [safe_name(folder) for folder in folders if folder], name or values["name"]


def parse_pattern(text: str) -> Pattern:
    """Return the pattern that a text means. Raises UsageError, which lists the fields, for any other text."""
    parts = text.split("/")
    if not text.strip() or not all(part.strip() for part in parts):
        found = "begins with /" if text.startswith("/") else "has a folder or file without a name"
        raise _pattern_error(f"{text!r} {found if text.strip() else 'is empty'}")
    return Pattern(tuple(_parse_part(part) for part in parts))


def field_values(sound: SourceSound) -> dict[str, str]:
    """Return the value of every field for a sound; empty if it is unknown."""
    return {
        "kind": sound.kind or UNKNOWN,
        "subkind": sound.subkind,
        "kit": sound.kit,
        "brightness": sound.brightness,
        "length": sound.length,
        "seconds": f"{sound.seconds:.2f}",
        "rate": str(sound.sample_rate or ""),
        "channels": _CHANNELS.get(sound.channels, str(sound.channels or "")),
        "licence": sound.licence,
        "source": sound.source,
        "name": PurePosixPath(sound.path).stem,
    }


def _parse_part(part: str) -> tuple[Token, ...]:
    try:
        tokens = list(Formatter().parse(part))
    except ValueError as error:
        raise _pattern_error(f"{part!r} is not complete: {error}") from error
    parsed = []
    for literal, field, form, conversion in tokens:
        if field is not None and (field not in FIELDS or form or conversion):
            shown = field + (f"!{conversion}" if conversion else "") + (f":{form}" if form else "")
            raise _pattern_error(f"{{{shown}}} is no field{nearest(field, FIELDS)}")
        parsed.append((literal, field or ""))
    if not any(field for _, field in parsed) and not part.strip(" ."):
        raise _pattern_error(f"{part!r} is no name of a folder")
    return tuple(parsed)


def _pattern_error(found: str) -> UsageError:
    fields = "\n".join(f"    {name:<11} {meaning}" for name, meaning in FIELDS.items())
    return UsageError("--pattern", found, f"write, for example, {DEFAULT_PATTERN!r}; the fields are\n{fields}")


def _render_part(part: tuple[Token, ...], values: Mapping[str, str]) -> str:
    """Return the text of one folder; empty if it has fields and all of them are.

    An empty field takes the texts beside it away, but for one between two values: of ``{kind}-{subkind}`` stays
    ``kick``, of ``{kind} ({subkind}) {length}`` stays ``kick short``.
    """
    texts = [literal for literal, _ in part] + [""]
    fields = [values[field].strip() for _, field in part if field]
    if not fields:
        return "".join(texts)
    kept = [index for index, value in enumerate(fields) if value]
    if not kept:
        return ""
    rendered = (texts[0] if kept[0] == 0 else "") + fields[kept[0]]
    for before, after in pairwise(kept):
        between = texts[before + 1 : after + 1]
        rendered += (between[0] if len(between) == 1 else _choose_separator(between)) + fields[after]
    return rendered + (texts[len(fields)] if kept[-1] == len(fields) - 1 else "")


def _choose_separator(texts: list[str]) -> str:
    """Return the first text between two values that is more than brackets, without these."""
    return next(filter(None, (text.strip("()[]<>") for text in texts)), "")
