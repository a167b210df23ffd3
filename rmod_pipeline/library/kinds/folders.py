"""Tell the kind of each file in a folder tree from its name, the names of its folders and the names of its neighbours.

The words in a file's own name come first, then the words in the names of its folders, then abbreviations and numbers.
A folder decides nothing if the files below it name other kinds: a folder 808 may hold a whole drum machine, and Tom's
Kit holds more than toms.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile

from rmod_pipeline.library.kinds import vocabulary as v
from rmod_pipeline.library.kinds.names import NameReading, guess_kind, kinds_of_weak_codes, read_name
from rmod_pipeline.library.kinds.plain_text import strip_accents
from rmod_pipeline.library.kinds.words import split_words

Folders = tuple[str, ...]
"""The names of a file's folders, the outermost first."""

_ALIKE = (v.HIHATS, frozenset({"conga", "bongo"}))
"""Kinds that a folder of one of them may hold too: bongos lie among congas."""
_FAMILIES = (*_ALIKE, frozenset({"snare", "rim"}))
"""Kinds that lie in each other's folders: a rim shot is played on a snare drum."""
_MAX_OTHERS = 1 / 8
"""Part of a folder's files that may name other kinds before its name decides nothing. A number in its name decides
nothing as soon as one file names another kind."""

_MACHINE_CODES = v.CODES.keys() | v.WEAK_CODES.keys() | v.OTHER_SOUNDS | v.MACHINE_WORDS_FOR_KINDS
_MACHINE_AND_CODE = re.compile(r"(?P<machine>.*\w)[-_ ]+(?P<code>[^\W\d_]+)")
_NUMBER_AND_CODE = re.compile(r"(?P<machine>\d{2,})(?P<code>[^\W\d_]+)")
_CODE_AND_MACHINE = re.compile(r"(?P<code>[^\W\d_]+)[-_ ]+(?P<machine>\w.*)")
_OVERHEAD = "oh"
_HYPHEN_AND_CODE = re.compile(r"\w[-_][^\W\d_]+$")


@dataclass(slots=True)
class _Folder:
    """What is known about one folder."""

    reading: NameReading
    machine: str = ""
    """Name of the machine if the folder is one of several that split a machine by kind: tr909 for tr909-bd."""
    machine_kind: str = ""
    """The kind that the rest of the name stands for; empty for other sounds of the machine."""
    stems: list[NameReading] = field(default_factory=list)
    """Of the files that are directly in it."""
    children: list[str] = field(default_factory=list)
    """Names of the folders that are directly in it."""
    files: int = 0
    """Number of files in it and below."""
    named: Counter[str] = field(default_factory=Counter)
    """How many of them name a kind by words, by kind; the name of the folder itself does not count."""
    coded: Counter[str] = field(default_factory=Counter)
    """How many of them name a kind by abbreviations alone, by kind."""

    @property
    def kind(self) -> str:
        """The kind that words name, or the folder of a machine."""
        return self.machine_kind if self.machine else self.reading.kind

    @property
    def is_kind_folder(self) -> bool:
        """Whether it is named after a kind and nothing else."""
        return bool(self.machine) or (self.reading.has_only_filler and not self.reading.may_be_microphone)

    def agrees(self, kind: str, max_others: float = _MAX_OTHERS) -> bool:
        """Return whether few enough of the files name other kinds; False for no kind.

        An abbreviation alone says nothing against a word, but those of different kinds do: they are a drum machine's.
        """
        if not kind:
            return False
        is_word = kind == self.reading.kind and not self.machine
        codes = self.coded if not is_word or len(self.coded) > 1 else Counter[str]()
        family = next((family for family in _FAMILIES if kind in family), frozenset({kind}))
        others = sum(count for name, count in (self.named + codes).items() if name not in family)
        return others <= max_others * self.files


class FolderTree:
    """The names of all files of a scan, which tell the kind of each."""

    def __init__(self, files: Iterable[tuple[Folders, str]]) -> None:
        """Read the names; each file is given by its folders and its name without suffix."""
        self._folders: dict[Folders, _Folder] = {(): _Folder(read_name(""))}
        files = list(files)
        for folders, _ in files:
            self._add_folders(folders)
        for path in list(self._folders):
            self._find_machines(path)
        for folders, stem in files:
            self._folders[folders].stems.append(self._read_stem(folders, stem))
        for folders, stem in files:
            self._count_named_kind(folders, self._read_stem(folders, stem))

    def kind_of(self, folders: Folders, stem: str) -> str:
        """Return the kind of a file; empty if nothing names it, or if its own name leaves open which it is."""
        reading = self._read_stem(folders, stem)
        if reading.kind:
            return self._refine_hihat(reading.kind, folders, reading)
        if reading.kinds:
            return self._choose(reading.kinds, folders)
        if reading.names_other_sound and not reading.codes:
            return ""
        # A folder such as Percussion names no kind and hides the folders around it.
        inner = self._inner_folders(folders)
        kind = self._kind_of_folder_words(inner)
        if kind:
            return self._refine_hihat(kind, folders, reading)
        if reading.names_speech or any(self._folders[path].reading.names_speech for path in _ancestors(folders)):
            return ""
        return (
            self.kind_of_stem_codes(folders, reading)
            or self._kind_of_folder_codes(inner)
            or self._kind_of_numbers(inner, folders, reading)
        )

    def kind_of_folder_code(self, path: Folders) -> str:
        """Return the kind that an abbreviation in a folder's name stands for: BD, roland-tr909-oh."""
        folder = self._folders[path]
        reading = folder.reading
        kinds = reading.codes or kinds_of_weak_codes(reading)
        if len(kinds) != 1 or not (reading.has_only_filler or self._begins_or_ends_with_code(path)):
            return ""
        if not reading.codes and not self._is_among_drums(path):
            return ""
        return next(iter(kinds))

    def machine_of(self, path: Folders) -> str:
        """Return the name of the machine whose sounds, of one kind or of all, a folder holds; empty if it is none."""
        folder = self._folders[path]
        if path[-1].strip() in v.MACHINE_NUMBERS and len(folder.named + folder.coded) > 1:
            return path[-1].strip()
        return folder.machine

    def _add_folders(self, folders: Folders) -> None:
        for depth, name in enumerate(folders, start=1):
            if folders[:depth] not in self._folders:
                self._folders[folders[:depth]] = _Folder(read_name(name))
                self._folders[folders[: depth - 1]].children.append(name)

    def _find_machines(self, parent: Folders) -> None:
        """Find the folders in a folder that split a machine by kind: their names differ in an abbreviation alone."""
        codes: dict[str, dict[str, str]] = {}
        for name in self._folders[parent].children:
            for pattern in (_MACHINE_AND_CODE, _NUMBER_AND_CODE, _CODE_AND_MACHINE):
                match = pattern.fullmatch(name.strip())
                if match and strip_accents(match["code"]) in _MACHINE_CODES:
                    codes.setdefault(match["machine"], {})[name] = strip_accents(match["code"])
        for machine, code_of in codes.items():
            if len(set(code_of.values())) > 1:
                for name, code in code_of.items():
                    folder = self._folders[(*parent, name)]
                    folder.machine, folder.machine_kind = machine, guess_kind(code, codes=True)

    def _count_named_kind(self, folders: Folders, reading: NameReading) -> None:
        """Count the kind that a file's own name, or a folder below, names in every folder above."""
        kind = reading.kind
        code = "" if reading.kinds else _sure_code(reading)
        for path in (*_ancestors(folders), ()):
            folder = self._folders[path]
            folder.files += 1
            if kind:
                folder.named[kind] += 1
            elif code:
                folder.coded[code] += 1
            if not kind and folder.is_kind_folder:
                kind = folder.kind

    def _choose(self, kinds: frozenset[str], folders: Folders) -> str:
        """Return which of several kinds that a file's name mentions its nearest folder names too."""
        for named in map(self._kind_of_folder_name, _ancestors(folders)):
            chosen = kinds & next((alike for alike in _ALIKE if named in alike), {named})
            if len(chosen) == 1:
                return next(iter(chosen))
        return "rim" if kinds == {"snare", "rim"} else ""

    def _kind_of_folder_name(self, path: Folders) -> str:
        return self._folders[path].kind or self.kind_of_folder_code(path)

    def _inner_folders(self, folders: Folders) -> list[Folders]:
        """Return the folders of a file, the innermost first, up to one that is named after another sound."""
        return list(takewhile(lambda path: not self._is_of_other_sounds(path), _ancestors(folders)))

    def _is_of_other_sounds(self, path: Folders) -> bool:
        reading = self._folders[path].reading
        return reading.names_other_sound and not reading.kinds

    def _kind_of_folder_words(self, paths: Sequence[Folders]) -> str:
        """Return the kind of the nearest folder that is named after it alone, else of one that mentions it."""
        folders = sorted((self._folders[path] for path in paths), key=_rank_folder)
        return next((folder.kind for folder in folders if folder.agrees(folder.kind)), "")

    def _read_stem(self, folders: Folders, stem: str) -> NameReading:
        """Read a file's name without the pack or machine that it begins with: "Kick Ass Kit/Kick Ass Kit Snare 1"."""
        for path in _ancestors(folders):
            folder = self._folders[path]
            name = folder.machine or path[-1]
            if folder.machine or (folder.reading.kinds and not folder.reading.has_only_filler):
                prefix = _prefix_pattern(name).match(stem)
                if prefix:
                    return read_name(stem[prefix.end() :])
        return read_name(stem)

    def kind_of_stem_codes(self, folders: Folders, reading: NameReading) -> str:
        """Return the kind that an abbreviation in a file's name stands for."""
        if reading.codes:
            return _sure_code(reading)
        kinds = kinds_of_weak_codes(reading)
        stems = self._folders[folders].stems
        # What all names beside each other begin with is a word of its own, no abbreviation.
        is_prefix = len(stems) > 1 and all(stem.weak_codes == reading.weak_codes for stem in stems)
        if len(kinds) != 1 or is_prefix or not self._has_drums_beside(folders, reading):
            return ""
        return next(iter(kinds))

    def _has_drums_beside(self, folders: Folders, reading: NameReading) -> bool:
        """Return whether the names around a file with an ambiguous abbreviation are those of a drum kit."""
        stems = self._folders[folders].stems
        around = [reading, *(self._folders[path].reading for path in _ancestors(folders))]
        if _OVERHEAD in reading.weak_codes:
            return _are_of_machine(stems, around)
        if any(other.names_drum_kit or _all_kinds(other) & v.ONE_SHOT_KINDS for other in around):
            return True
        if any(stem.weak_codes != reading.weak_codes and _drums(stem) for stem in stems):
            return True
        codes = {code for stem in stems for code in stem.weak_codes}
        return len(codes) > 1 and all(stem.has_only_filler and stem.weak_codes for stem in stems)

    def _kind_of_folder_codes(self, paths: Sequence[Folders]) -> str:
        for path in paths:
            kind = self.kind_of_folder_code(path)
            if self._folders[path].agrees(kind):
                return kind
        return ""

    def _begins_or_ends_with_code(self, path: Folders) -> bool:
        """Return whether a folder's name is that of a machine with an abbreviation at one end."""
        words = [word.text for word in split_words(path[-1])]
        if words[-1] in v.CODES and _HYPHEN_AND_CODE.search(path[-1]):
            return True
        codes = v.CODES.keys() | v.WEAK_CODES.keys()
        return self._folders[path].reading.names_drum_kit and bool(codes & {words[0], words[-1]})

    def _is_among_drums(self, path: Folders) -> bool:
        """Return whether the folders beside and above a folder are those of a drum machine."""
        neighbours = [read_name(name) for name in self._neighbours(path)]
        around = [self._folders[outer].reading for outer in _ancestors(path)]
        if _OVERHEAD in self._folders[path].reading.weak_codes:
            return _are_of_machine(neighbours, around)
        return any(reading.names_drum_kit for reading in around) or any(map(_drums, neighbours))

    def _neighbours(self, path: Folders) -> Iterator[str]:
        return (name for name in self._folders[path[:-1]].children if name != path[-1])

    def _kind_of_numbers(self, paths: Sequence[Folders], folders: Folders, reading: NameReading) -> str:
        """Return the kind that a number is a nickname of, if no name around says that it is a machine's."""
        if reading.numbers and not any(_drums(stem) - reading.numbers for stem in self._folders[folders].stems):
            around = [reading, *(self._folders[path].reading for path in paths)]
            return "" if any(other.names_maker for other in around) else next(iter(reading.numbers))
        for path in paths:
            folder = self._folders[path]
            kinds = folder.reading.numbers
            is_number = folder.reading.has_only_filler and not folder.reading.codes | folder.reading.weak_codes
            if len(kinds) == 1 and is_number and folder.agrees(next(iter(kinds)), 0):
                return next(iter(kinds))
        return ""

    def _refine_hihat(self, kind: str, folders: Folders, reading: NameReading) -> str:
        """Return the open hi-hat for a hi-hat that the file, or a folder up to the one named after hats, calls open."""
        if kind not in v.HIHATS:
            return kind
        named_folders = [path for path in _ancestors(folders) if self._kind_of_folder_name(path) in v.HIHATS]
        # A folder that is called exactly like the kind sorts for a recipe: there, all hats are hats.
        if named_folders and named_folders[0][-1] == "hihat":
            return "hihat"
        if kind == "open_hihat" or reading.is_closed:
            return kind
        # Beside the word hat, OH stands for the overhead microphones.
        codes = reading.codes if reading.kind else reading.codes or kinds_of_weak_codes(reading)
        if reading.is_open or "open_hihat" in codes:
            return "open_hihat"
        nearest = named_folders[0] if named_folders else folders
        inner = takewhile(lambda path: len(path) >= len(nearest), _ancestors(folders))
        is_open = any(
            self._folders[path].reading.is_open or self._kind_of_folder_name(path) == "open_hihat" for path in inner
        )
        return "open_hihat" if is_open else kind


def _ancestors(folders: Folders) -> Iterator[Folders]:
    """Yield the path of each folder around a file, the innermost first."""
    return (folders[:depth] for depth in range(len(folders), 0, -1))


def _are_of_machine(neighbours: Sequence[NameReading], around: Iterable[NameReading]) -> bool:
    """Return whether OH stands for an open hi-hat, not for the overhead microphones of a recorded kit."""
    if any(other.is_microphone and _OVERHEAD not in other.weak_codes for other in neighbours):
        return False
    return any(other.names_machine for other in around) or any(
        other.codes & v.ONE_SHOT_KINDS or "ch" in other.weak_codes for other in neighbours
    )


def _rank_folder(folder: _Folder) -> tuple[bool, bool]:
    """Return the order in which folders are asked for a kind: those named after kinds, microphones, those of packs."""
    return not folder.is_kind_folder, not folder.reading.has_only_filler


@lru_cache(maxsize=4096)
def _prefix_pattern(name: str) -> re.Pattern[str]:
    """Return a pattern for texts that begin with the words of a name."""
    words = map(re.escape, re.findall(r"[^\W_]+", name))
    return re.compile(r"[\W_]*" + r"[\W_]*".join(words) + r"(?![^\W\d_])", re.IGNORECASE)


def _sure_code(reading: NameReading) -> str:
    """Return the kind of an unambiguous abbreviation in a name."""
    return next(iter(reading.codes)) if len(reading.codes) == 1 else ""


def _all_kinds(reading: NameReading) -> frozenset[str]:
    return reading.kinds | reading.codes | kinds_of_weak_codes(reading)


def _drums(reading: NameReading) -> frozenset[str]:
    """Return the kinds of single hits that words and unambiguous abbreviations of a name stand for."""
    return (reading.kinds | reading.codes) & v.ONE_SHOT_KINDS
