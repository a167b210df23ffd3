"""The plan: every file is accounted for once, no two get one path, what is placed stays, copies are folded."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN, parse_pattern
from rmod_pipeline.curation.organise.naming.safe_names import path_key
from rmod_pipeline.curation.organise.plan import count_folders, make_plan, sum_actions
from rmod_pipeline.curation.organise.records import (
    COPY_OF,
    PLACED,
    TABLE_NAME,
    THERE,
    TO_PLACE,
    OrganisedFile,
    SourceFacts,
    SourceLeftover,
)
from tests.curation.organise.organise_helpers import (
    NAMES,
    PATTERN,
    SUFFIXES,
    actions,
    digest,
    facts,
    places,
    sound,
    tree_of,
)

PATTERNS = st.sampled_from([DEFAULT_PATTERN, "{name}", "{kit}/{name}", "{kit}{kind}", "{kit}/{kit}/{kind}/{name}"])


@st.composite
def sources(draw: st.DrawFn) -> SourceFacts:
    """Return facts of files with odd names in odd folders, some of them copies, some unusable."""
    names = draw(st.lists(st.tuples(NAMES, NAMES, SUFFIXES), max_size=12, unique=True))
    sounds, leftovers = [], []
    for folder, stem, suffix in names:
        path = f"{folder}/{stem}{suffix}"
        role = draw(st.sampled_from(["sound", "sound", "sound", "skipped", "kept"]))
        content = draw(st.sampled_from([path, path, path, "one sound"]))
        if role == "sound":
            kind = draw(st.sampled_from(["kick", "snare", ""]))
            kit = draw(NAMES | st.just(""))
            sounds.append(sound(path, kind=kind, kit=kit, sha256=digest(path), sound=digest(content)))
        else:
            kept = digest(content) if role == "kept" else ""
            leftovers.append(SourceLeftover(path=path, reason="silent", is_audio=bool(kept), sha256=kept))
    return facts(sounds, leftovers)


def forms(path: str) -> set[str]:
    """Return the names under which file systems may know a path."""
    return {
        unicodedata.normalize(form, text)
        for form in ("NFC", "NFD")
        for text in (path.casefold(), path.lower(), path.upper().lower())
    }


def list_paths(source: SourceFacts) -> list[str]:
    return [*(each.path for each in source.sounds), *(each.path for each in source.leftovers)]


def check_distinct(files: Sequence[OrganisedFile]) -> None:
    """Assert that no path is another one, or a folder of another one, on any file system."""
    paths = [file.new_path for file in files if file.has_place]
    names = Counter(name for path in [*paths, TABLE_NAME] for name in forms(path))
    assert not [name for name, count in names.items() if count > 1]
    folders = {name for path in paths for parent in PurePosixPath(path).parents for name in forms(str(parent))}
    assert not folders & names.keys()


@given(source=sources(), pattern=PATTERNS)
def test_no_two_files_get_one_path_and_every_file_has_one_row(source: SourceFacts, pattern: str) -> None:
    plan = make_plan(source, parse_pattern(pattern))
    check_distinct(plan.files)
    expected = list_paths(source)
    assert sorted(file.old_path for file in plan.files) == sorted(expected)
    placed = {file.new_path for file in plan.files if file.has_place}
    for file in plan.files:
        assert file.has_place or file.reason or file.action.removeprefix(COPY_OF) in placed
    of_sound = Counter(row.sound for row in source.sounds)
    kept = {leftover.sha256 for leftover in source.leftovers if leftover.sha256}
    assert len(placed) == len(of_sound) + len(kept)
    assert sum(sum_actions(plan.files).values()) == len(plan.files)


@given(source=sources(), pattern=PATTERNS, data=st.data())
def test_the_order_of_the_files_does_not_matter(source: SourceFacts, pattern: str, data: st.DataObject) -> None:
    shuffled = replace(
        source,
        sounds=tuple(data.draw(st.permutations(source.sounds))),
        leftovers=tuple(data.draw(st.permutations(source.leftovers))),
    )
    assert make_plan(shuffled, parse_pattern(pattern)) == make_plan(source, parse_pattern(pattern))


@given(source=sources(), pattern=PATTERNS, other=PATTERNS, done=st.integers(0, 12))
def test_a_second_plan_is_the_first_one_whatever_was_placed(
    source: SourceFacts, pattern: str, other: str, done: int
) -> None:
    """Also with another pattern: what is placed, or begun, keeps its place."""
    first = make_plan(source, parse_pattern(pattern)).files
    to_place = [file for file in first if file.action == TO_PLACE]
    interrupted = [replace(file, action=PLACED) if file in to_place[:done] else file for file in first]
    lying = tree_of([file for file in interrupted if file.action == PLACED])
    again = make_plan(source, parse_pattern(other), previous=interrupted, existing=lying).files
    assert list(again) == interrupted
    # A run that was killed has placed files that its table does not know of yet.
    assert list(make_plan(source, parse_pattern(other), previous=first, existing=lying).files) == interrupted


@given(source=sources(), added=sources(), pattern=PATTERNS)
def test_new_files_move_no_old_one(source: SourceFacts, added: SourceFacts, pattern: str) -> None:
    first = make_plan(source, parse_pattern(pattern)).files
    placed = [replace(file, action=PLACED) if file.action == TO_PLACE else file for file in first]
    known = set(list_paths(source))
    both = facts(
        [*source.sounds, *(each for each in added.sounds if each.path not in known)],
        [*source.leftovers, *(each for each in added.leftovers if each.path not in known)],
    )
    plan = make_plan(both, parse_pattern(pattern), previous=placed, existing=tree_of(placed))
    check_distinct(plan.files)
    assert {file for file in placed if file.has_place} <= set(plan.files)
    assert len({file.old_path for file in plan.files}) == len(plan.files)


@given(source=sources(), pattern=PATTERNS, in_the_way=st.lists(NAMES, max_size=4))
def test_what_lies_in_the_tree_keeps_its_path(source: SourceFacts, pattern: str, in_the_way: list[str]) -> None:
    """Foreign files lie where files and folders are to be."""
    planned = make_plan(source, parse_pattern(pattern)).files
    paths = [file.new_path for file in planned if file.has_place]
    foreign = {*(path for path in paths[::2]), *(path.split("/")[0] for path in paths[1::2]), *in_the_way}
    foreign -= {parent for path in foreign for parent in map(str, PurePosixPath(path).parents)}
    existing = tree_of([], {path: digest("foreign") for path in foreign})
    plan = make_plan(source, parse_pattern(pattern), existing=existing)
    check_distinct(plan.files)
    keys = {path_key(path.split("/")) for path in foreign}
    for file in plan.files:
        if file.has_place:
            parts = file.new_path.split("/")
            assert not keys & {path_key(parts[:depth]) for depth in range(1, len(parts) + 1)}


def test_names_are_kept_and_only_the_second_of_a_name_gets_a_number() -> None:
    paths = ["a/kick.wav", "b/kick.wav", "c/KICK.wav", "d/kick-2.wav", "e/kick.flac"]
    assert places(make_plan(facts([sound(path) for path in paths]), PATTERN)) == {
        "a/kick.wav": "kick/dark-short/kick.wav",
        "b/kick.wav": "kick/dark-short/kick-3.wav",
        "c/KICK.wav": "kick/dark-short/KICK-4.wav",
        "d/kick-2.wav": "kick/dark-short/kick-2.wav",
        "e/kick.flac": "kick/dark-short/kick.flac",
    }


def test_a_thousand_files_of_one_name_are_numbered() -> None:
    plan = make_plan(facts([sound(f"{number:04}/x.wav") for number in range(1000)]), PATTERN)
    names = {PurePosixPath(path).name for path in places(plan).values()}
    assert names == {"x.wav", *(f"x-{number}.wav" for number in range(2, 1001))}


def test_folders_that_differ_in_capitals_are_one() -> None:
    kits = ["TR-909", "tr-909", "Tr-909"]
    plan = make_plan(
        facts([sound(f"{number}.wav", kit=kit) for number, kit in enumerate(kits)]), parse_pattern("{kit}/{name}")
    )
    assert {PurePosixPath(path).parent.name for path in places(plan).values()} == {"TR-909"}


@pytest.mark.parametrize(
    ("first", "second", "placed"),
    [
        ({"path": "a.mp3"}, {"path": "folder/a.wav"}, "folder/a.wav"),
        ({"path": "a.wav"}, {"path": "folder/b.wav", "sample_rate": 48_000}, "folder/b.wav"),
        ({"path": "a.wav"}, {"path": "folder/b.wav", "channels": 2}, "folder/b.wav"),
        ({"path": "a.wav"}, {"path": "folder/b.wav", "seconds": 0.3}, "folder/b.wav"),
        ({"path": "0001.wav"}, {"path": "folder/kick.wav", "is_named": True}, "folder/kick.wav"),
        ({"path": "k copy.wav"}, {"path": "folder/k.wav"}, "folder/k.wav"),
        ({"path": "k (2).wav"}, {"path": "folder/k.wav"}, "folder/k.wav"),
        ({"path": "a.wav"}, {"path": "folder/a.wav"}, "a.wav"),
        ({"path": "a.wav"}, {"path": "b.wav"}, "a.wav"),
    ],
)
def test_the_best_copy_is_placed(first: dict[str, object], second: dict[str, object], placed: str) -> None:
    copies = [sound(str(each.pop("path")), sound="one", **each) for each in (dict(first), dict(second))]
    plan = make_plan(facts(copies), PATTERN)
    assert list(places(plan)) == [placed]
    (copy,) = (file for file in plan.files if file.is_copy)
    assert copy.action == COPY_OF + places(plan)[placed] and not copy.new_path


def test_a_copy_that_is_placed_stays_when_a_better_one_comes() -> None:
    old = make_plan(facts([sound("a.mp3", sound="one")]), PATTERN).files
    placed = [replace(file, action=PLACED) for file in old]
    both = facts([sound("a.mp3", sound="one"), sound("a.wav", sound="one")])
    plan = make_plan(both, PATTERN, previous=placed, existing=tree_of(placed))
    assert actions(plan) == {"a.mp3": PLACED, "a.wav": f"{COPY_OF}{placed[0].new_path}"}


def test_a_sound_of_another_source_is_not_placed_twice() -> None:
    first = make_plan(facts([sound("a.wav", sha256=digest("x"))], folder="/one"), PATTERN).files
    placed = [replace(file, action=PLACED) for file in first]
    second = facts([sound("b.wav", sha256=digest("x"), sound="x"), sound("c.wav", sound="x")], folder="/two")
    plan = make_plan(second, PATTERN, previous=placed, existing=tree_of(placed))
    copy_of = COPY_OF + placed[0].new_path
    assert actions(plan) == {"a.wav": PLACED, "b.wav": copy_of, "c.wav": copy_of}
    # If it was taken out of the tree, it is placed.
    plan = make_plan(second, PATTERN, previous=placed, existing={})
    assert actions(plan)["b.wav"] == TO_PLACE


def test_a_file_that_was_renamed_in_the_source_stays_where_it_is() -> None:
    first = make_plan(facts([sound("old.wav", sha256=digest("x"))]), PATTERN).files
    placed = [replace(file, action=PLACED) for file in first]
    plan = make_plan(facts([sound("new.wav", sha256=digest("x"))]), PATTERN, previous=placed, existing=tree_of(placed))
    assert actions(plan) == {"old.wav": PLACED, "new.wav": COPY_OF + placed[0].new_path}


def test_a_file_that_changed_in_the_source_is_placed_anew_beside_the_old_one() -> None:
    first = make_plan(facts([sound("a.wav", sha256=digest("x"))]), PATTERN).files
    placed = [replace(file, action=PLACED) for file in first]
    plan = make_plan(facts([sound("a.wav", sha256=digest("y"))]), PATTERN, previous=placed, existing=tree_of(placed))
    assert sorted((file.new_path, file.action) for file in plan.files) == [
        ("kick/dark-short/a-2.wav", TO_PLACE),
        ("kick/dark-short/a.wav", PLACED),
    ]


def test_a_placed_file_that_was_changed_in_the_tree_stays_and_is_named() -> None:
    source = facts([sound("a.wav")])
    placed = [replace(file, action=PLACED) for file in make_plan(source, PATTERN).files]
    edited = tree_of([], {placed[0].new_path: digest("edited")})
    plan = make_plan(source, PATTERN, previous=placed, existing=edited)
    assert list(plan.files) == placed and plan.changed == (placed[0].new_path,)


def test_a_placed_file_that_was_taken_out_of_the_tree_is_placed_again() -> None:
    source = facts([sound("a.wav")])
    first = make_plan(source, PATTERN).files
    placed = [replace(file, action=PLACED) for file in first]
    assert make_plan(source, PATTERN, previous=placed, existing={}).files == first


def test_a_file_that_lies_there_with_the_same_bytes_is_no_placed_one() -> None:
    source = facts([sound("a.wav")])
    existing = tree_of([], {"kick/dark-short/a.wav": digest("a.wav")})
    plan = make_plan(source, PATTERN, existing=existing)
    assert actions(plan) == {"a.wav": THERE} and not plan.files[0].is_placed
    assert make_plan(source, PATTERN, previous=plan.files, existing=existing) == plan
    # When it has gone, or holds something else, the sound is placed.
    assert actions(make_plan(source, PATTERN, previous=plan.files, existing={})) == {"a.wav": TO_PLACE}
    other = tree_of([], {"kick/dark-short/a.wav": digest("other")})
    assert places(make_plan(source, PATTERN, previous=plan.files, existing=other)) == {
        "a.wav": "kick/dark-short/a-2.wav"
    }


def test_something_else_that_came_where_a_file_was_to_be_placed_gets_out_of_its_way() -> None:
    source = facts([sound("a.wav")])
    begun = make_plan(source, PATTERN).files
    other = tree_of([], {begun[0].new_path: digest("other")})
    assert places(make_plan(source, PATTERN, previous=begun, existing=other)) == {"a.wav": "kick/dark-short/a-2.wav"}


def test_a_file_in_the_way_of_a_folder_gives_the_folder_a_number() -> None:
    plan = make_plan(facts([sound("a.wav"), sound("b.wav")]), PATTERN, existing=tree_of([], {"KICK": digest("other")}))
    assert set(places(plan).values()) == {"kick-2/dark-short/a.wav", "kick-2/dark-short/b.wav"}


def test_the_folders_of_the_tree_keep_their_spelling() -> None:
    existing = tree_of([], {"KICK/Dark-Short/mine.wav": digest("mine")})
    assert places(make_plan(facts([sound("a.wav")]), PATTERN, existing=existing)) == {"a.wav": "KICK/Dark-Short/a.wav"}


def test_folders_are_counted_with_what_lies_below() -> None:
    plan = make_plan(facts([sound("a.wav"), sound("b.wav", kind=""), sound("c.wav", brightness="warm")]), PATTERN)
    assert count_folders(plan.files) == {
        ".": 3,
        "kick": 2,
        "kick/dark-short": 1,
        "kick/warm-short": 1,
        "unknown": 1,
        "unknown/dark-short": 1,
    }
