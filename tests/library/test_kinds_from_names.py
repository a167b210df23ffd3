"""Laws of the kinds that a scan tells from names, over folder trees that are put together at random."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.library.kinds import vocabulary
from rmod_pipeline.library.kinds.describe import PathDescription, describe_paths
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS
from tests.library.pack_names import CODES, FOLDERS, HABITS, PERSONS, WORDS, NamedSound, make_pack_names

KINDS = st.sampled_from(sorted(WORDS))
PLAIN_KINDS = st.sampled_from(sorted(set(WORDS) - {"hihat", "open_hihat"}))
"""Kinds without a more special one."""
PACKS = st.sampled_from(["", "Garden/", "Vinyl Dust/", "Pack 3/Drums/"])


def describe(*paths: str) -> list[PathDescription]:
    """Describe the sounds of one scan."""
    descriptions = describe_paths(PurePosixPath(path) for path in paths)
    return [descriptions[PurePosixPath(path)] for path in paths]


def kinds_of(*paths: str) -> list[str]:
    return [description.kind for description in describe(*paths)]


def told_kind(description: PathDescription) -> str:
    """Return the kind that a scan gives a file of one hit: none if its name says loop."""
    is_loop = description.several_hits and description.kind in ONE_SHOT_KINDS
    return "" if is_loop else description.kind


@given(PLAIN_KINDS, st.data())
def test_the_words_in_a_files_own_name_outrank_every_folder(kind: str, data: st.DataObject) -> None:
    names = [*(name for names in FOLDERS.values() for name in names), "808", "909", "OH", "Kick Mic", "SD", "diphone"]
    folders = data.draw(st.lists(st.sampled_from(names), max_size=3))
    word = data.draw(st.sampled_from(WORDS[kind]))
    assert kinds_of("/".join([*folders, f"808 {word} 01.wav"])) == [kind]


@given(KINDS, PACKS, st.data())
def test_codes_and_numbers_decide_nothing_where_a_word_speaks(kind: str, pack: str, data: st.DataObject) -> None:
    other = data.draw(KINDS.filter(lambda name: name in CODES and {name, kind} != {"hihat", "open_hihat"}))
    code = data.draw(st.sampled_from(["808", *(code for code in CODES[other] if len(code) == 2)]))
    folder = data.draw(st.sampled_from(FOLDERS[kind][:1]))
    assert kinds_of(f"{pack}{folder}/{code} 03.wav") == [kind]
    assert kinds_of(f"{pack}{code}/{data.draw(st.sampled_from(WORDS[kind]))} 03.wav") == [kind]


@given(st.lists(PLAIN_KINDS, min_size=2, max_size=6, unique=True), st.data())
def test_a_folder_whose_files_name_different_kinds_decides_nothing(kinds: list[str], data: st.DataObject) -> None:
    folders = [*(name for names in FOLDERS.values() for name in names if "/" not in name and "&" not in name), "808"]
    folder = data.draw(st.sampled_from([*folders, "Kick Ass Drums", "BD"]))
    stems = [data.draw(st.sampled_from(WORDS[kind])) for kind in kinds]
    told = kinds_of(*(f"{folder}/{stem}.wav" for stem in stems), f"{folder}/17.wav")
    is_one_family = {kinds[0], kinds[1]} == {"snare", "rim"} and len(kinds) == 2
    assert told[:-1] == kinds
    assert told[-1] == "" or is_one_family


@given(st.sampled_from(sorted(CODES)), st.sampled_from(PERSONS), st.data())
def test_a_person_decides_nothing(kind: str, person: str, data: st.DataObject) -> None:
    assert kinds_of(f"{person} Samples/17.wav") == [""]
    word = data.draw(st.sampled_from(WORDS[kind]))
    assert kinds_of(f"Packs/{word} by {person}/17.wav", f"{person}/{word} 17.wav") == [kind, kind]


@pytest.mark.parametrize("kind", ["kick", "snare", "tom", "cymbal"])
@pytest.mark.parametrize("position", ["OH", "Room", "Overheads", "Close", "Kick Mic", "Snare Top", "Far"])
def test_a_microphone_decides_nothing(kind: str, position: str) -> None:
    word = WORDS[kind][0]
    paths = (f"Kit/{position}/{word}_v3.wav", f"Kit/{word}/{position}/v3.wav", f"Kit/{word}_{position}_v3.wav")
    assert kinds_of(*paths) == [kind] * 3
    assert kinds_of("Kit/OH/v3.wav", "Kit/Room/v3.wav", "Kit/Kick/v3.wav") == ["", "", "kick"]


def test_speech_is_no_drum() -> None:
    paths = [f"{folder}/{code}1_{number:03}.wav" for folder in ("diphone", "speech") for code in ("kd", "sd", "oh")
             for number in range(3)]  # fmt: skip
    assert set(kinds_of(*paths)) == {""}
    assert set(kinds_of("diphone/kd1_002.wav", "808bd/BD00.wav")) == {"", "kick"}


@given(st.sampled_from(["roland-tr909", "zorblax", "My Machine", "808", "SequentialTom"]), st.sampled_from("-_ "))
def test_a_machine_that_is_divided_by_kind_is_one_kit(machine: str, separator: str) -> None:
    codes = {"bd": "kick", "sd": "snare", "hh": "hihat", "oh": "open_hihat", "cp": "clap", "lt": "tom", "perc": ""}
    described = describe(*(f"packs/{machine}{separator}{code}/01.wav" for code in codes))
    assert [description.kind for description in described] == list(codes.values())
    assert {description.kit for description in described if description.kind} == {machine}


@pytest.mark.parametrize(
    ("paths", "kit"),
    [
        (("TR-909 Kicks/1.wav", "TR-909 Open Hats/1.wav", "TR-909 Snares/Kick 1.wav"), "TR-909"),
        (("808bd/1.wav", "808sd/1.wav", "808/CB.wav", "808/CP.wav"), "808"),
        (("Maple/Snare/Room/1.wav", "Maple/Kick/OH/1.wav", "Maple/Kicks/Acoustic/1.wav"), "Maple"),
        (("Roland-CR-8000/kick.wav", "Roland-CR-8000/snare.wav"), "Roland-CR-8000"),
    ],
)
def test_one_kit_has_one_name(paths: tuple[str, ...], kit: str) -> None:
    assert {description.kit for description in describe(*paths)} == {kit}


@settings(max_examples=25)
@given(st.integers(0, 1_000_000))
def test_names_in_the_style_of_packs_tell_their_kinds(seed: int) -> None:
    sounds = make_pack_names(seed, 12)
    described = describe(*(sound.path for sound in sounds))
    wrong = [
        (sound, told_kind(told)) for sound, told in zip(sounds, described, strict=True) if told_kind(told) != sound.kind
    ]
    assert len(wrong) <= 0.03 * len(sounds), wrong


def test_every_habit_of_packs_is_understood() -> None:
    sounds = [sound for seed in range(3) for sound in make_pack_names(seed, 100)]
    by_habit: dict[str, list[NamedSound]] = defaultdict(list)
    for sound in sounds:
        by_habit[sound.habit].append(sound)
    assert by_habit.keys() == {habit.__name__ for habit in HABITS}
    assert len(sounds) > 3000
    for habit, of_habit in by_habit.items():
        described = describe(*(sound.path for sound in of_habit))
        right = sum(told_kind(told) == sound.kind for sound, told in zip(of_habit, described, strict=True))
        assert right >= 0.97 * len(of_habit), (habit, right, len(of_habit))
    assert set(Counter(sound.kind for sound in sounds)) >= ONE_SHOT_KINDS


@settings(max_examples=25)
@given(st.integers(0, 1000), st.randoms(use_true_random=False))
def test_the_order_of_the_files_does_not_matter(seed: int, random: object) -> None:
    paths = [PurePosixPath(sound.path) for sound in make_pack_names(seed, 4)]
    shuffled = list(paths)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert describe_paths(shuffled) == describe_paths(paths)


def test_every_phrase_of_the_vocabulary_names_its_kind() -> None:
    phrases = [(phrase, kind) for kind, phrases in vocabulary.KIND_PHRASES.items() for phrase in phrases]
    assert len({phrase for phrase, _ in phrases}) == len(phrases)
    for phrase, kind in phrases:
        variants = {phrase, phrase.upper(), phrase.title(), phrase.replace(" ", "_")}
        assert {(name, kinds_of(f"{name} 02.wav")[0]) for name in variants} == {(name, kind) for name in variants}


@pytest.mark.parametrize(
    ("paths", "kinds"),
    [
        (("x/tom petty kick.wav", "x/piano kick.wav", "Piano House Drums/a1.wav"), ["kick", "kick", ""]),
        (("Hats/OH 1.wav", "Hats/open 2.wav", "Hats/3.wav"), ["open_hihat", "open_hihat", "hihat"]),
        (("a/gt 1.wav", "a/snare.wav"), ["guitar", "snare"]),
        (("a/gt 1.wav", "a/vx 1.wav"), ["guitar", "vocal"]),
        (("a/gt 1.wav", "a/piano.wav"), ["", "piano"]),
    ],
)
def test_a_name_is_read_with_its_neighbours(paths: tuple[str, ...], kinds: list[str]) -> None:
    assert kinds_of(*paths) == kinds
