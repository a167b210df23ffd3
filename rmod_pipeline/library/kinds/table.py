"""Read the table of kinds, ``library/taxonomy.yaml``, once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.kinds.table_schema import Class, Entry, Member, MidiMap, Subkind, TaxonomyFile
from rmod_pipeline.storage.yaml_keys import UniqueKeys, describe_yaml_error

TABLE = Path(__file__).parents[1] / "taxonomy.yaml"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One row of the table: a class, a subkind of one, or a member of one."""

    class_name: str
    subkind: str
    """Name of the subkind; empty for a class and a member."""
    member: str
    """Name of the member; empty for a class and a subkind."""
    kind: str
    """The kind in manifests and scans: open_hihat for the subkind open of hihat, cymbal for its subkind ride."""
    groove_kind: str
    """The kind in grooves: ride for the subkind ride of cymbal."""
    aliases: tuple[str, ...]
    """Other words for the kind."""
    seven_class: str | None
    """The class among the seven of the public roadmap; None if it has none."""
    scan: str
    """How a scan takes a sound whose name has the words: one_shot, loop, or none if they name no kind there."""
    midi: Mapping[str, tuple[int, ...]]
    """The keys that play it, by map, the one that it is written as first."""
    words: tuple[str, ...]
    """Words and phrases in names, in small letters. A word may have a plural s; accents do not matter."""
    strong_words: tuple[str, ...]
    """Words that are recognised at the beginning or end of a longer word."""
    machine_words: tuple[str, ...]
    """Words that are used like abbreviations in the names of a machine's folders."""
    marks: tuple[str, ...]
    """Words and phrases that tell the subkind in a name of its class."""
    codes: tuple[str, ...]
    """Abbreviations that decide where no word does."""
    weak_codes: tuple[str, ...]
    """Abbreviations that decide only beside other drums."""
    nicknames: tuple[str, ...]
    """Numbers that stand for the sound, and more often for a machine."""

    @property
    def path(self) -> str:
        """Class and subkind or member in one word: ``hihat/open``."""
        return "/".join(filter(None, (self.class_name, self.subkind or self.member)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Taxonomy:
    """The whole table."""

    kinds: tuple[Kind, ...]
    """Each class in order, followed by its subkinds and members."""
    maps: Mapping[str, MidiMap]

    @property
    def classes(self) -> tuple[Kind, ...]:
        """The rows of whole classes."""
        return tuple(kind for kind in self.kinds if not kind.subkind and not kind.member)


class _UniqueKeyLoader(UniqueKeys, _Loader):  # type: ignore[misc]
    """A loader that refuses a key that appears twice."""


@cache
def load_taxonomy() -> Taxonomy:
    """Return the table that comes with rmod; it is read once per process. Raises LibraryError if it is damaged."""
    return parse_taxonomy(TABLE.read_text(encoding="utf-8"), TABLE)


def parse_taxonomy(text: str, about: object) -> Taxonomy:
    """Return the table in a YAML text; ``about`` names it in errors.

    Raises LibraryError that names every mistake: the key, what was found, and what to do.
    """
    try:
        file = TaxonomyFile.model_validate(yaml.load(text, _UniqueKeyLoader))
    except yaml.YAMLError as error:
        raise LibraryError(about, describe_yaml_error(error), "check indent and quotes") from error
    except ValidationError as error:
        problems = "\n  ".join(_describe(problem) for problem in error.errors(include_url=False))
        raise LibraryError(about, f"no table of kinds\n  {problems}", f"see the comments of {TABLE}") from error
    return Taxonomy(
        kinds=tuple(_make_kind(file.classes[path.partition("/")[0]], path, entry) for path, entry in file.rows()),
        maps=file.maps,
    )


def _describe(problem: Any) -> str:
    key = ".".join(map(str, problem["loc"])) or "the file"
    return f"{key}: {problem['msg'].removeprefix('Value error, ')}"


def _make_kind(parent: Class, path: str, entry: Entry) -> Kind:
    class_name, _, name = path.partition("/")
    kind = entry.kind or (name if isinstance(entry, Member) else parent.kind or class_name)
    return Kind(
        class_name=class_name,
        subkind=name if isinstance(entry, Subkind) else "",
        member=name if isinstance(entry, Member) else "",
        kind=kind,
        groove_kind=entry.groove_kind or kind,
        aliases=entry.aliases,
        seven_class=parent.seven_class,
        scan=(entry.scan if isinstance(entry, Member) else None) or parent.scan,
        midi=entry.midi,
        words=entry.words,
        strong_words=entry.strong,
        machine_words=entry.machine,
        marks=entry.marks if isinstance(entry, Subkind) else (),
        codes=entry.codes,
        weak_codes=entry.weak_codes,
        nicknames=entry.nicknames,
    )
