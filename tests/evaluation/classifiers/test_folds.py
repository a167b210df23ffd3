"""No kit, group or file is on both sides of a fold, and every sound is tested exactly once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.evaluation.classifiers.folds import (
    Fold,
    assign_families,
    count_families,
    find_families,
    make_folds,
    require_separate,
)
from rmod_pipeline.library.asset import Library
from tests.evaluation.classifiers.comparison_examples import make_asset, make_library

KINDS = ("kick", "snare", "tom")


@st.composite
def libraries(draw: st.DrawFn) -> list[Library]:
    """Return one or two libraries in which kits, groups and equal files join sounds, and some kits that stay apart."""
    apart = [
        make_asset(1000 + 3 * kit + place, kind, f"apart {kit}") for kit in range(9) for place, kind in enumerate(KINDS)
    ]
    numbers, made = iter(range(1, 100)), list[Library]()
    kits, groups = st.sampled_from(["", "a", "b", "c", "d", "e"]), st.sampled_from(["", "", "x", "y", "z"])
    for _ in range(draw(st.integers(1, 2))):
        rows = draw(
            st.lists(st.tuples(st.sampled_from(KINDS), kits, groups, st.integers(0, 20)), min_size=1, max_size=20)
        )
        assets = []
        for kind, kit, group, copy in rows:
            number = next(numbers)
            # A small number is that of an earlier file: the same bytes under another name.
            assets.append(make_asset(number, kind, kit, group, f"{copy if 0 < copy < number else number:064x}"))
        made.append(make_library(assets + apart if not made else assets))
    return made


@given(libraries(), st.integers(2, 4))
@settings(max_examples=40)
def test_nothing_that_belongs_together_is_on_two_sides(libraries: list[Library], count: int) -> None:
    families = find_families(libraries)
    known = {asset.sha256: asset for library in libraries for asset in library.assets}
    order = sorted(known)
    folds = make_folds([known[key].kind for key in order], [families[key] for key in order], count, "library")
    assert sorted(index for fold in folds for index in fold.test) == list(range(len(order)))
    for fold in folds:
        assert sorted((*fold.train, *fold.valid, *fold.test)) == list(range(len(order)))
        sides = {order[index]: name for name in ("train", "valid", "test") for index in getattr(fold, name)}
        sides_of: dict[tuple[object, ...], set[str]] = {}
        for number, library in enumerate(libraries):
            for asset in library.assets:
                sides_of.setdefault(("group", number, asset.group), set()).add(sides[asset.sha256])
                if asset.kit:
                    sides_of.setdefault(("kit", asset.kit), set()).add(sides[asset.sha256])
        assert all(len(each) == 1 for each in sides_of.values())


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), min_size=10, max_size=60), st.integers(2, 5))
@settings(max_examples=40)
def test_the_order_of_the_sounds_decides_nothing(rows: list[tuple[str, int]], parts: int) -> None:
    kinds, families = [kind for kind, _ in rows], [f"kit {kit}" for _, kit in rows]
    forwards, backwards = assign_families(kinds, families, parts), assign_families(kinds[::-1], families[::-1], parts)
    assert np.array_equal(forwards, backwards[::-1])
    assert len(set(forwards.tolist())) == min(parts, len(set(families)))


def test_folds_have_like_shares_of_each_class() -> None:
    kinds = [kind for kit in range(20) for kind in ("kick", "kick", "snare", "tom")]
    families = [f"kit {kit}" for kit in range(20) for _ in range(4)]
    for fold in make_folds(kinds, families, 5, "library"):
        tested = [kinds[index] for index in fold.test]
        assert (tested.count("kick"), tested.count("snare"), tested.count("tom")) == (8, 4, 4)
        assert 0 < len(fold.valid) < len(fold.train)


def test_a_kit_joins_two_libraries_and_a_file_joins_two_kits() -> None:
    one = make_library([make_asset(1, kit="a"), make_asset(2, kit="b")])
    other = make_library([make_asset(3, kit="a"), make_asset(4, kit="c", sha256=f"{2:064x}"), make_asset(5, kit="d")])
    families = find_families([one, other])
    assert families[f"{1:064x}"] == families[f"{3:064x}"]
    assert find_families([replace(one, assets=(make_asset(2, kit="b"),)), other])[f"{2:064x}"] != families[f"{5:064x}"]
    assert len(set(families.values())) == 3


def test_sounds_of_kinds_without_a_class_join_too() -> None:
    library = make_library(
        [make_asset(1, kit="a"), make_asset(2, "bass loop", "a", "pack"), make_asset(3, group="pack")]
    )
    assert len(set(find_families([library]).values())) == 1


@pytest.mark.parametrize(
    "planted",
    [
        Fold(number=0, train=(0, 1), valid=(2,), test=(3,)),  # one kit in train and test
        Fold(number=0, train=(0,), valid=(1,), test=(2,)),  # one kit in train and valid
        Fold(number=0, train=(0,), valid=(2,), test=(0,)),  # one sound twice
    ],
)
def test_a_planted_leak_is_caught(planted: Fold) -> None:
    families = ["kit a", "kit a", "kit b", "kit a"]
    with pytest.raises(ValueError, match="kit a is in the"):
        require_separate(planted, families)
    require_separate(Fold(number=0, train=(0, 1), valid=(2,), test=()), families)


def test_few_kits_are_an_error_that_says_how_many_there_are() -> None:
    kinds, families = ["kick", "snare"] * 3, ["kit a", "kit a", "kit b", "kit b", "kit c", "kit c"]
    with pytest.raises(LibraryError, match="3 kits, but 5 folds need 5") as found:
        make_folds(kinds, families, 5, "library.csv")
    assert "--folds 3" in found.value.hint
    assert len(make_folds(kinds, families, 3, "library.csv")) == 3
    with pytest.raises(LibraryError, match="1 kit, but"):
        make_folds(kinds, ["kit a"] * 6, 2, "library.csv")
    with pytest.raises(LibraryError, match="leaves too few kits"):
        make_folds(kinds[:4], families[:4], 2, "library.csv")
    with pytest.raises(LibraryError, match="one class, kick"):
        make_folds(["kick"] * 6, families, 3, "library.csv")


def test_families_are_counted_per_class() -> None:
    assert count_families(["kick", "kick", "snare"], ["a", "b", "a"]) == {"kick": 2, "snare": 1}
