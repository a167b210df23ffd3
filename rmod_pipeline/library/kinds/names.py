"""Read one name, of a file or of a folder: the kinds that it mentions, and whether it says loop or single hit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from rmod_pipeline.library.kinds import vocabulary as v
from rmod_pipeline.library.kinds.plain_text import strip_accents
from rmod_pipeline.library.kinds.words import Word, singular, split_words

_MARK = "@"
"""Begins the mark that stands in a text for a phrase that names a kind: @kick."""
_GAP = "/"
"""Stands in a text for words that were taken out, so that the words on both sides do not form a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameReading:
    """What one name says."""

    kinds: frozenset[str]
    """Kinds that words name, without persons, microphones, genres, and what a loop leaves out."""
    codes: frozenset[str]
    """Kinds that abbreviations name which have no other meaning: BD, SD, HH."""
    weak_codes: frozenset[str]
    """Abbreviations with other meanings: OH, CH, LT."""
    numbers: frozenset[str]
    """Kinds that a number is a nickname of: 808."""
    names_other_sound: bool
    """Whether it names a sound that is none of rmod's kinds, such as a clave."""
    names_speech: bool
    is_microphone: bool
    """Whether it names the position of a microphone and nothing else."""
    may_be_microphone: bool
    """Whether it names a drum and a side of it: Snare Top, Kick In."""
    names_maker: bool
    """Whether it names a drum machine by more than its number."""
    names_machine: bool
    """Whether it names a drum machine, by its number too."""
    names_drum_kit: bool
    """Whether it names a drum machine or a drum kit."""
    is_open: bool
    """Whether it says open, which makes a hi-hat an open one."""
    is_closed: bool
    several_hits: str
    """The word that says that the file holds several hits; empty if there is none."""
    is_about_several_hits: bool
    """Whether that word is the last one, so that the name is one of a collection of loops, no title with the word."""
    is_roll: bool
    """Whether that word is one for a roll or a flam."""
    says_single_hit: bool
    has_only_filler: bool
    """Whether nothing is left beside kinds, codes, numbers, filler words and microphone positions: no kit's name."""
    has_only_descriptors: bool
    """The same, and words that describe a sound: Acoustic, Long."""

    @property
    def kind(self) -> str:
        """The kind that words name; empty for none and for several."""
        return next(iter(self.kinds)) if len(self.kinds) == 1 else ""


@lru_cache(maxsize=16384)
def read_name(name: str) -> NameReading:
    """Read the name of a file, without its suffix, or of a folder."""
    words = split_words(name)
    text = _leave_out_phrases(_mark_kinds(_leave_out_persons(words)))
    named_kinds = _find_kinds(text)
    rest = [word for word in text.split() if word != _GAP and not word.startswith(_MARK)]
    is_open = any(word in v.OPEN_WORDS for word in rest)
    kinds = _open_hihats(_resolve(named_kinds, words), is_open)
    last_part = name.rsplit("__", 1)[-1]
    if "__" in name and len(set(named_kinds)) > 1:
        # A name such as "GMKit Hats__Ride 1" begins with the name of a pack.
        kinds = set(read_name(last_part).kinds) or kinds
    last_words = [word.text for word in split_words(last_part)]
    several_hits, is_roll = _find_several_hits(last_words)
    return NameReading(
        kinds=frozenset(kinds),
        codes=frozenset(_open_hihats({v.CODES[word] for word in rest if word in v.CODES}, is_open)),
        weak_codes=frozenset(word for word in rest if word in v.WEAK_CODES and not _is_microphone(word, rest)),
        numbers=frozenset(v.NUMBERS[word] for word in rest if word in v.NUMBERS),
        names_other_sound=any(word in v.OTHER_SOUNDS and word in rest for word in last_words),
        names_speech=any(word in v.SPEECH for word in rest),
        is_microphone=_is_position([word.text for word in words]),
        may_be_microphone=bool(_MICROPHONE_SIDE.search(text)),
        names_maker=any(word in v.MACHINE_WORDS for word in rest),
        names_machine=any(word in v.MACHINE_WORDS or word in v.MACHINE_NUMBERS for word in rest),
        names_drum_kit=any(word in _DRUM_KIT_WORDS for word in rest),
        is_open=is_open,
        is_closed=any(word.text in v.CLOSED_WORDS for word in words),
        several_hits=several_hits,
        is_about_several_hits=_is_last_word(several_hits, last_words),
        is_roll=is_roll,
        says_single_hit=bool(_ONE_SHOT.search(" ".join(last_words))),
        has_only_filler=all(_is_filler(word, bool(named_kinds)) for word in rest),
        has_only_descriptors=all(_is_filler(word, True) for word in rest),
    )


def guess_kind(name: str, codes: bool) -> str:
    """Return the kind that a name mentions, empty for none or several; ``codes`` allows BD, SD, 808 and the like."""
    reading = read_name(name)
    candidates = [reading.kinds]
    if codes and not reading.kinds:
        weak_kinds = frozenset(v.WEAK_CODES[code] for code in reading.weak_codes)
        candidates += [reading.codes, weak_kinds, reading.numbers]
    return next((next(iter(kinds)) for kinds in candidates if len(kinds) == 1), "")


def suggest_kind(text: str) -> tuple[str, bool]:
    """Return the kind that a label such as Hi-Hat means, and whether it says nothing else; empty if it means none."""
    kind = guess_kind(text, codes=True)
    marked = _mark_kinds([word.text for word in split_words(text)])
    rest = [word for word in marked.split() if not word.startswith(_MARK)]
    ignored = (
        v.FILLER_WORDS
        | v.CODES.keys()
        | v.NUMBERS.keys()
        | {"closed", "pedal"}
        | (v.OPEN_WORDS if kind in v.HIHATS else set())
    )
    return kind, bool(kind) and all(word in ignored for word in rest)


def kinds_of_weak_codes(reading: NameReading) -> frozenset[str]:
    """Return the kinds that the ambiguous abbreviations of a name may stand for."""
    kinds = frozenset(v.WEAK_CODES[code] for code in reading.weak_codes)
    return frozenset(_open_hihats(set(kinds), reading.is_open))


def _leave_out_persons(words: Sequence[Word]) -> list[str]:
    """Return the words without persons: Tom Smith, DJ Tom."""
    texts = [word.text for word in words]
    for index, word in enumerate(words):
        if word.text != "tom":
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        if word.is_capitalised and following and _is_surname(following):
            texts[index] = texts[index + 1] = _GAP
        elif index and texts[index - 1] in v.TITLES_BEFORE_TOM:
            texts[index] = _GAP
    return texts


def _is_surname(word: Word) -> bool:
    return word.is_capitalised and not word.is_known and len(word.text) >= 3


def _find_surname(words: Sequence[Word]) -> bool:
    """Return whether an unknown word follows Tom, in small letters too."""
    pairs = pairwise(words)
    return any(first.text == "tom" and not word.is_known and len(word.text) >= 3 for first, word in pairs)


def _mark_kinds(words: Sequence[str]) -> str:
    """Return the words as a text in which a mark such as ``@kick`` stands for every phrase that names a kind."""
    text = _GENRE.sub(_GAP, " ".join(words))
    words, marked, index = text.split(), [], 0
    while index < len(words):
        size, mark = _match_phrase(words, index)
        marked.append(mark)
        index += size
    return " ".join(marked)


def _match_phrase(words: Sequence[str], index: int) -> tuple[int, str]:
    """Return the length and the mark of the longest phrase that begins at a word: a bass drum is no bass."""
    for size in range(min(_MAX_PHRASE, len(words) - index), 0, -1):
        phrase = tuple(words[index : index + size])
        kind = _KIND_OF_PHRASE.get(phrase) or _KIND_OF_PHRASE.get(tuple(map(singular, phrase)))
        if kind:
            return size, _MARK + kind
    return 1, words[index]


def _leave_out_phrases(text: str) -> str:
    """Leave out microphones, the name after "by", and the kinds after "no", from a text with marks."""
    for pattern in (_MICROPHONE, _AUTHOR, _NEGATION, _LESS):
        text = pattern.sub(_GAP, text)
    if len(set(_find_kinds(text))) > 1:
        without_sides = _MICROPHONE_SIDE.sub(_GAP, text)
        text = without_sides if _find_kinds(without_sides) else text
    return text


def _find_kinds(text: str) -> list[str]:
    """Return the kinds that are marked in a text, in order."""
    return [word[len(_MARK) :] for word in text.split() if word.startswith(_MARK)]


def _resolve(named_kinds: Sequence[str], words: Sequence[Word]) -> set[str]:
    """Return the kinds of a name, without those that only describe another one."""
    kinds, texts = set(named_kinds), {word.text for word in words}
    # A hi-hat is a pair of cymbals.
    if kinds & v.HIHATS and texts & {"cymbal", "cymbals"}:
        kinds.discard("cymbal")
    # "tom petty kick" is no tom.
    if len(kinds) > 1 and _find_surname(words):
        kinds.discard("tom")
    drums = kinds & v.ONE_SHOT_KINDS
    if len(drums) == 1 and len(kinds) > 1 and named_kinds[-1] in drums:
        return drums
    # "Piano House Drums" is a pack of drums.
    if kinds and not drums and texts & _DRUM_WORDS:
        return set()
    return kinds


def _open_hihats(kinds: set[str], is_open: bool) -> set[str]:
    """Return the kinds with the open hi-hat for the hi-hat if the name says open."""
    return {"open_hihat" if kind == "hihat" and is_open else kind for kind in kinds}


def _find_several_hits(words: Sequence[str]) -> tuple[str, bool]:
    """Return the word that says loop, fill or roll, empty for none, and whether it is a word for a roll."""
    marked = _mark_kinds(_NOT_LOOP.sub(_GAP, " ".join(words)).split()).split()
    last_mark = max((index for index, word in enumerate(marked) if word.startswith(_MARK)), default=-1)
    loop_word = next((word for word in marked if word in _LOOP_WORDS), "")
    loop_word = loop_word or next((word for word in marked[last_mark + 1 :] if word in _PATTERN_WORDS), "")
    roll_word = next((word for word in marked if word in _ROLL_WORDS), "")
    return loop_word or roll_word, bool(roll_word) and not loop_word


def _is_last_word(word: str, words: Sequence[str]) -> bool:
    """Return whether a word for loops is the last of a name, but for numbers and "volume"."""
    last = next((text for text in reversed(words) if not text.isdecimal() and text not in v.DESCRIPTORS), "")
    return last == word and word in _LOOP_WORDS | _ROLL_WORDS


def _is_microphone(code: str, words: Sequence[str]) -> bool:
    """Return whether OH stands for the overhead microphones: OH L, OH stereo."""
    following = words[words.index(code) + 1 :][:1]
    return code == "oh" and bool(_CHANNELS.intersection(following))


def _is_position(words: Sequence[str]) -> bool:
    names = [word for word in words if not word.isdecimal() and len(word) > 1]
    return bool(names) and all(word in v.MICROPHONE_POSITIONS or word in v.MICROPHONE_WORDS for word in names)


def _is_filler(word: str, is_beside_kind: bool) -> bool:
    """Return whether a word beside those for kinds names no kit."""
    if word.isdecimal() or word in v.FILLER_WORDS or word in v.CODES or word in v.WEAK_CODES:
        return True
    if word in v.OPEN_WORDS or word in v.MICROPHONE_POSITIONS or word in v.MICROPHONE_WORDS:
        return True
    is_descriptor = len(word) == 1 or word in v.DESCRIPTORS or word in _LOOP_WORDS or word in _PATTERN_WORDS
    return is_beside_kind and is_descriptor


def _any_of(phrases: Iterable[str]) -> str:
    return "|".join(sorted(map(strip_accents, phrases), key=lambda phrase: (-len(phrase), phrase)))


_KIND_OF_PHRASE = {
    tuple(strip_accents(phrase).split()): kind for kind, phrases in v.KIND_PHRASES.items() for phrase in phrases
}
_MAX_PHRASE = max(map(len, _KIND_OF_PHRASE))
_DRUM_NAME = rf"(?:{_MARK}\w+|{_any_of([*v.CODES, 'oh', 'ch'])})"
_GENRE = re.compile(rf"\b(?:{_any_of(v.GENRES)})\b")
_MICROPHONE = re.compile(rf"(?<!\S)(?:(?:{_DRUM_NAME}|[a-z]+) )?(?:{_any_of(v.MICROPHONE_WORDS)})(?!\S)")
_MICROPHONE_SIDE = re.compile(rf"(?<!\S){_DRUM_NAME} (?:{_any_of(v.MICROPHONE_SIDES)})(?!\S)")
_AUTHOR = re.compile(r"(?<!\S)by [^\W\d_]+(?: [^\W\d_]+)?(?!\S)")
_NEGATION = re.compile(rf"(?<!\S)(?:{_any_of(v.NEGATIONS)})(?: (?:and|or|und|et|y|n|the|{_DRUM_NAME}))+(?!\S)")
_LESS = re.compile(rf"(?<!\S){_DRUM_NAME} (?:less|free)(?!\S)")
_ONE_SHOT = re.compile(rf"\b(?:{_any_of(v.ONE_SHOT_WORDS)})s?\b")
_NOT_LOOP = re.compile(rf"\b(?:{_any_of(v.NOT_LOOPS)})\b")
_CHANNELS = frozenset({"l", "r", "left", "right", "st", "stereo", "mono"})
_DRUM_WORDS = frozenset({"drum", "drums", "drumkit", "drumkits", "percussion", "beat", "beats"})
_DRUM_KIT_WORDS = v.MACHINE_WORDS | v.MACHINE_NUMBERS | v.KIT_WORDS
_LOOP_WORDS, _PATTERN_WORDS, _ROLL_WORDS = (
    frozenset(map(strip_accents, words)) for words in (v.LOOP_WORDS, v.PATTERN_WORDS, v.ROLL_WORDS)
)
