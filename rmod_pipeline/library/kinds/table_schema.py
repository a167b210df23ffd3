"""The form of the file ``library/taxonomy.yaml``, and the rules that it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rmod_pipeline.distributions import Strict
from rmod_pipeline.library.kinds.plain_text import check_phrase, strip_accents
from rmod_pipeline.storage.naming import NAME

SevenClass = Literal["clap", "cowbell", "cymbal", "hat", "kick", "snare", "tom"]
"""The classes of the public roadmap for one-shot classification."""
Scan = Literal["one_shot", "loop", "none"]
Text = Annotated[str, AfterValidator(check_phrase)]
Texts = tuple[Text, ...]
Name = Annotated[str, Field(pattern=NAME)]
MidiKey = Annotated[int, Field(ge=0, le=127)]
MidiKeys = Annotated[tuple[MidiKey, ...], Field(min_length=1)]
Channel = Annotated[int, Field(ge=1, le=16)]


class MidiMap(Strict):
    """What is known of a map from MIDI keys to kinds, beside its keys."""

    description: str
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)]
    """MIDI channels of drums."""


class Entry(Strict):
    """What a class, a subkind and a member have in common."""

    kind: Name | None = None
    groove_kind: Name | None = None
    aliases: tuple[Name, ...] = ()
    midi: dict[Name, MidiKeys] = Field(default_factory=dict)
    words: Texts = ()
    strong: Texts = ()
    machine: Texts = ()
    codes: Texts = ()
    weak_codes: Texts = ()
    nicknames: Texts = ()

    @model_validator(mode="after")
    def _check_words(self) -> Entry:
        for word in self.strong:
            if word not in self.words:
                raise ValueError(f"the strong word {word!r} is not among the words: add it there")
        for word in self.machine:
            if word not in self.words and word.removesuffix("s") not in self.words:
                raise ValueError(f"the word {word!r} of machines is not among the words: add it there")
        return self


class Subkind(Entry):
    """A part of a class."""

    marks: Texts = ()


class Member(Entry):
    """A sound of a class that has a kind of its own."""

    scan: Scan | None = None


class Class(Entry):
    """What a classifier tells apart."""

    scan: Scan
    seven_class: SevenClass | None = None
    subkinds: dict[Name, Subkind] = Field(default_factory=dict)
    members: dict[Name, Member] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_marks(self) -> Class:
        owners: dict[str, str] = {}
        for name, subkind in self.subkinds.items():
            for mark in set(map(strip_accents, subkind.marks)):
                if owners.setdefault(mark, name) != name:
                    raise ValueError(f"the mark {mark!r} is both {owners[mark]} and {name}: leave it in one of them")
        return self


class TaxonomyFile(Strict):
    """The whole file."""

    maps: dict[Name, MidiMap]
    classes: dict[Name, Class]

    @model_validator(mode="after")
    def _check_uniqueness(self) -> TaxonomyFile:
        rows = list(self.rows())
        _check_owners("kind", ((kind, path) for path, entry in rows for kind in _own_kinds(path, entry)))
        for field in ("words", "nicknames"):
            _check_owners("phrase" if field == "words" else "nickname", _list_texts(rows, (field,)))
        _check_owners("abbreviation", _list_texts(rows, ("codes", "weak_codes")))
        return self

    @model_validator(mode="after")
    def _check_midi(self) -> TaxonomyFile:
        rows = list(self.rows())
        for path, entry in rows:
            for name in entry.midi:
                if name not in self.maps:
                    raise ValueError(f"{path} has keys of the map {name!r}, which is not among the maps")
        for name in self.maps:
            _check_owners(f"{name} key", ((str(key), path) for path, entry in rows for key in entry.midi.get(name, ())))
        return self

    def rows(self) -> Iterator[tuple[str, Entry]]:
        """Yield each class, subkind and member with its path: hihat, hihat/open, percussion/timbale."""
        for name, each in self.classes.items():
            yield name, each
            for below, entry in (*each.subkinds.items(), *each.members.items()):
                yield f"{name}/{below}", entry


def _own_kinds(path: str, entry: Entry) -> set[str]:
    """Return the kinds that nothing but this entry may have."""
    own = {entry.kind, entry.groove_kind, *entry.aliases} - {None}
    if not isinstance(entry, Subkind):
        own.add(path.rpartition("/")[2])
    return {kind for kind in own if kind}


def _list_texts(rows: Iterable[tuple[str, Entry]], fields: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each text of some fields with the path of its entry; a phrase that is listed twice comes twice."""
    fields = tuple(fields)
    for path, entry in rows:
        for field in fields:
            yield from ((strip_accents(text), path) for text in getattr(entry, field))


def _check_owners(what: str, owned: Iterable[tuple[str, str]]) -> None:
    """Raise ValueError if two entries have the same."""
    owners: dict[str, str] = {}
    for thing, path in owned:
        if owners.setdefault(thing, path) != path:
            raise ValueError(f"the {what} {thing!r} is both {owners[thing]} and {path}: leave it in one of them")
