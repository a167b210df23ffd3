"""Splits: a group is in one split, every split gets its share, and the order of sounds does not matter."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.groups import UnionFind, group_by_shared_names
from rmod_pipeline.library.splits import (
    SplitAssignment,
    SplitItem,
    assign_splits,
    check_splits,
    find_divided_kits,
    find_uneven_splits,
    parse_shares,
)
from tests.library.library_sounds import asset

SHARES = parse_shares("90/5/5")


@st.composite
def libraries(draw: st.DrawFn) -> list[SplitItem]:
    count = draw(st.integers(1, 60))
    return [
        SplitItem(
            id=f"s{number}",
            kind=draw(st.sampled_from(["kick", "snare"])),
            kit=draw(st.sampled_from(["", *"abcdefghijkl"])),
            copies=f"c{draw(st.integers(0, 80))}",
            pinned=draw(st.sampled_from(["", "", "", "train", "test"])),
        )
        for number in range(count)
    ]


def splits_by(key: str, sounds: list[SplitItem], assignment: SplitAssignment) -> dict[str, set[str]]:
    """Return the splits of the sounds that share a value of the field ``key``."""
    splits = defaultdict(set)
    for sound in sounds:
        splits[getattr(sound, key)].add(assignment.split[sound.id])
    return splits


def unpinned(sounds: list[SplitItem]) -> list[SplitItem]:
    return [SplitItem(id=sound.id, kind=sound.kind, kit=sound.kit, copies=sound.copies) for sound in sounds]


@settings(max_examples=60)
@given(libraries())
def test_copies_and_groups_are_in_one_split(sounds: list[SplitItem]) -> None:
    sounds = unpinned(sounds)
    result = assign_splits(sounds, SHARES)
    assert set(result.split) == {sound.id for sound in sounds}
    assert all(len(splits) == 1 for splits in splits_by("copies", sounds, result).values())
    by_group = defaultdict(set)
    for name, split in result.split.items():
        by_group[result.group[name]].add(split)
    assert all(len(splits) == 1 for splits in by_group.values())


@settings(max_examples=40)
@given(libraries())
def test_a_kit_is_in_one_split_if_its_kind_is_split_by_kit(sounds: list[SplitItem]) -> None:
    sounds = unpinned(sounds)
    result = assign_splits(sounds, SHARES)
    by_kit = [sound for sound in sounds if result.split_by[sound.kind] == "kit" and sound.kit]
    assert all(len(splits) == 1 for splits in splits_by("kit", by_kit, result).values())


@settings(max_examples=40)
@given(libraries(), st.randoms())
def test_order_does_not_matter(sounds: list[SplitItem], random: object) -> None:
    shuffled = list(sounds)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = assign_splits(sounds, SHARES), assign_splits(shuffled, SHARES)
    assert (first.split, first.group, first.split_by) == (second.split, second.group, second.split_by)


@settings(max_examples=60)
@given(libraries())
def test_pinned_sounds_stay_and_attract_their_copies(sounds: list[SplitItem]) -> None:
    result = assign_splits(sounds, SHARES)
    pins: dict[str, Counter[str]] = defaultdict(Counter)
    for sound in sounds:
        if sound.pinned:
            assert result.split[sound.id] == sound.pinned
            pins[sound.copies][sound.pinned] += 1
    for sound in sounds:
        if not sound.pinned and len(pins[sound.copies]) == 1:
            assert result.split[sound.id] in pins[sound.copies]


@given(kits=st.integers(20, 60), per_kit=st.integers(1, 4))
def test_every_split_gets_about_its_share_of_kits(kits: int, per_kit: int) -> None:
    sounds = [
        SplitItem(id=f"{kit}/{number}", kind="kick", kit=f"kit {kit}", copies=f"{kit}/{number}")
        for kit in range(kits)
        for number in range(per_kit)
    ]
    result = assign_splits(sounds, SHARES)
    counts = Counter(result.split.values())
    assert result.split_by == {"kick": "kit"}
    for split, share in SHARES.items():
        assert abs(counts[split] - share * len(sounds)) <= 2 * (per_kit + 1) and counts[split] > 0


@pytest.mark.parametrize(("count", "empty"), [(1, {"valid", "test"}), (2, {"test"}), (3, set()), (40, set())])
def test_few_sounds_go_to_train_first(count: int, empty: set[str]) -> None:
    sounds = [SplitItem(id=str(n), kind="kick", kit="one", copies=str(n)) for n in range(count)]
    result = assign_splits(sounds, SHARES)
    assert result.split_by == {"kick": "sound"}
    assert set(SHARES) - set(result.split.values()) == empty


def test_each_kind_is_split_by_kit_or_by_sound() -> None:
    sounds = [SplitItem(id=f"k{n}", kind="kick", kit=f"kit {n % 10}", copies=f"k{n}") for n in range(100)]
    sounds += [SplitItem(id=f"v{n}", kind="vocal", kit=f"kit {n % 2}", copies=f"v{n}") for n in range(100)]
    result = assign_splits(sounds, SHARES)
    assert result.split_by == {"kick": "kit", "vocal": "sound"}
    assert Counter(result.split[f"v{n}"] for n in range(100)) == {"train": 90, "valid": 5, "test": 5}


def test_three_kits_of_a_hundred_are_not_enough_for_90_5_5() -> None:
    sounds = [SplitItem(id=str(n), kind="kick", kit=f"kit {n % 3}", copies=str(n)) for n in range(300)]
    assert assign_splits(sounds, SHARES).split_by == {"kick": "sound"}
    assert assign_splits(sounds, parse_shares("40/30/30")).split_by == {"kick": "kit"}


def kits(*sizes: int) -> list[SplitItem]:
    """Return kicks in kits of the given sizes."""
    return [
        SplitItem(id=f"{kit}/{number}", kind="kick", kit=f"kit {kit}", copies=f"{kit}/{number}")
        for kit, size in enumerate(sizes)
        for number in range(size)
    ]


def uneven_warnings(sounds: list[SplitItem], text: str = "90/5/5") -> list[str]:
    shares = parse_shares(text)
    return list(find_uneven_splits(sounds, assign_splits(sounds, shares), shares))


@given(libraries())
def test_a_warning_names_the_kinds_of_which_a_kit_is_in_several_splits(sounds: list[SplitItem]) -> None:
    assignment = assign_splits(sounds, SHARES)
    places: dict[tuple[str, str], set[str]] = {}
    for sound in sounds:
        if sound.kit and assignment.split_by[sound.kind] == "sound":
            places.setdefault((sound.kind, sound.kit), set()).add(assignment.split[sound.id])
    divided = sorted({kind for (kind, _), splits in places.items() if len(splits) > 1})
    warnings = list(find_divided_kits(sounds, assignment))
    assert len(warnings) == bool(divided)
    assert all(warning.startswith(f"{', '.join(divided)}: too few kits") for warning in warnings)


def test_one_kit_in_three_splits_is_said() -> None:
    sounds = [*kits(12), *(replace(sound, id=f"s{sound.id}", kind="snare") for sound in kits(9, 9, 9, 9, 9, 9, 9))]
    (warning,) = find_divided_kits(sounds, assign_splits(sounds, SHARES))
    assert warning.startswith("kick: too few kits to be divided by kit, so one kit is in several splits")


def test_few_unequal_kits_give_a_warning_with_the_actual_shares() -> None:
    (warning,) = uneven_warnings(kits(12, 12, 1))
    assert warning.startswith("kick is split 48/48/4 percent instead of 90/5/5: too few kits: 3, the largest with 48 %")
    assert "--labels" in warning and "--splits" in warning
    assert uneven_warnings(kits(12, 12, 1), "50/45/5") == []


def test_kits_that_share_sounds_are_counted_as_groups() -> None:
    sounds = [*kits(12, 6, 1), SplitItem(id="copy", kind="kick", kit="kit 9", copies="1/0")]
    sounds += [SplitItem(id=f"9/{number}", kind="kick", kit="kit 9", copies=f"9/{number}") for number in range(5)]
    (warning,) = uneven_warnings(sounds)
    assert "too few kits: 3 groups of kits that share sounds" in warning


def test_many_copies_of_few_sounds_give_a_warning() -> None:
    sounds = [SplitItem(id=f"{n}", kind="kick", kit="", copies="abc"[n % 3]) for n in range(30)]
    (warning,) = uneven_warnings(sounds)
    assert (
        "33/33/33 percent" in warning
        and "too few different sounds: 3, copies not counted" in warning
        and "--labels" not in warning
    )


def test_the_warning_names_pinned_sounds_as_the_reason() -> None:
    sounds = [SplitItem(id=str(n), kind="kick", kit="", copies=str(n), pinned="test" if n else "") for n in range(30)]
    sounds += [SplitItem(id=f"new {n}", kind="kick", kit="", copies=f"new {n}") for n in range(5)]
    (warning,) = uneven_warnings(sounds)
    assert "scan without --previous" in warning


@given(st.integers(10, 200))
def test_ten_sounds_without_kits_or_copies_give_no_warning(count: int) -> None:
    assert uneven_warnings([SplitItem(id=str(n), kind="kick", kit="", copies=str(n)) for n in range(count)]) == []


def test_one_kit_of_ten_in_another_split_gives_no_warning() -> None:
    assert uneven_warnings(kits(*[10] * 10)) == []


def test_an_empty_split_gives_no_second_warning() -> None:
    assert uneven_warnings(kits(1)) == uneven_warnings(kits(1, 1)) == []


def test_a_split_without_a_share_stays_empty() -> None:
    sounds = [SplitItem(id=str(n), kind="kick", kit="", copies=str(n)) for n in range(30)]
    assert set(assign_splits(sounds, parse_shares("90/10/0")).split.values()) == {"train", "valid"}
    assert set(assign_splits(sounds, parse_shares("100/0/0")).split.values()) == {"train"}


@settings(max_examples=40)
@given(libraries(), st.integers(1, 20))
def test_adding_sounds_moves_no_old_one(sounds: list[SplitItem], more: int) -> None:
    sounds = unpinned(sounds)
    before = assign_splits(sounds, SHARES).split
    old = [
        SplitItem(id=sound.id, kind=sound.kind, kit=sound.kit, copies=sound.copies, pinned=before[sound.id])
        for sound in sounds
    ]
    new = [SplitItem(id=f"n{n}", kind="kick", kit=f"new {n % 3}", copies=f"n{n}") for n in range(more)]
    after = assign_splits(old + new, SHARES).split
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("text", ["", "90/10", "90/5/4", "a/b/c", "-5/100/5", "90/5/5/0", "1e2/0/0", "90 5 5", "../.."])
def test_invalid_shares_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--splits"):
        parse_shares(text)


def library(*counts: tuple[str, str, int]) -> Library:
    rows = [asset(f"{kind}/{split}{n}", kind=kind, split=split) for kind, split, count in counts for n in range(count)]
    return Library(assets=tuple(rows), root=Path(), manifest=Path("m.csv"), digest="")


def test_lacking_kinds_are_refused_with_the_remedy() -> None:
    small = library(("kick", "train", 3), ("kick", "valid", 1), ("snare", "train", 1))
    check_splits(small, ["kick"], ["train", "valid"])
    with pytest.raises(LibraryError) as caught:
        check_splits(small, ["kick", "snare", "snar"], ["train", "valid", "test"])
    for text in ("test has no kick", "train 3, valid 1, test 0", "valid has no snare", "no snar at all", "'snare'"):
        assert text in caught.value.found
    assert caught.value.hint == (
        "add snar sounds or take them out of the recipe; this library has kick and snare; "
        "add kick and snare sounds from other kits and scan again, give test and valid a larger share "
        "(--splits of the scan), or edit the split column, a whole group at a time"
    )
    with pytest.raises(LibraryError, match="only 1 kick, 2 needed"):
        check_splits(small, ["kick"], ["valid"], at_least=2)


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_union_find_agrees_with_relabelling(joins: list[tuple[int, int]]) -> None:
    union_find = UnionFind(20)
    label = list(range(20))
    for first, second in joins:
        union_find.union(first, second)
        label = [label[first] if name == label[second] else name for name in label]
    assert sorted(item for members in union_find.sets() for item in members) == list(range(20))
    for members in union_find.sets():
        assert len({label[item] for item in members}) == 1
    assert len(union_find.sets()) == len(set(label))


def test_groups_are_joined_through_other_items() -> None:
    groups = list(group_by_shared_names([["a"], ["b", "c"], ["c", "d"], ["d", "a"], ["e"]]))
    assert [indices for _, indices in groups] == [[0, 1, 2, 3], [4]]
