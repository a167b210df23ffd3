"""Licences: what each asks, one expression for many, and libraries and builds that are limited to a class."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmod_pipeline as rmod
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.licences import (
    LicenceClass,
    combine_licences,
    parse_licence_class,
    select_by_class,
    split_licences,
    terms_of,
)
from rmod_pipeline.library.licences.expressions import UNKNOWN_LICENCE, is_listed
from rmod_pipeline.library.licences.terms import TABLE, UNKNOWN
from rmod_pipeline.library.manifest import load_library
from tests.tiny_build import RECIPE, reproducible_files

IDENTIFIERS = st.sampled_from(
    [
        *TABLE,
        "CC-BY-4.0",
        "CC-BY-SA-3.0",
        "CC-BY-SA-3.0-US",
        "CC-BY-NC-4.0",
        "CC-BY-ND-4.0",
        "LicenseRef-mine",
        "Beerware",
    ]
)
EXPRESSIONS = st.recursive(
    IDENTIFIERS,
    lambda parts: st.tuples(parts, st.sampled_from(["AND", "OR"]), parts).map(lambda each: f"({' '.join(each)})"),
    max_leaves=4,
)


@pytest.mark.parametrize(
    ("licence", "asked", "licence_class"),
    [
        ("CC0-1.0", "nothing", "permissive"),
        ("MIT", "keep the notice", "permissive"),
        ("CC-BY-4.0", "keep the notice, credit", "attribution"),
        ("CC-BY-3.0-US", "keep the notice, credit", "attribution"),
        ("CC-BY-SA-3.0-US", "keep the notice, credit, share alike", "share-alike"),
        ("GPL-2.0+", "keep the notice, credit, share alike", "share-alike"),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", "keep the notice, credit, share alike", "share-alike"),
        ("MIT WITH No-Commercial-Use", "unknown", "any"),
        ("MIT WITH CC0-1.0", "unknown", "any"),  # no exception
        ("CC0-1.0 OR MIT WITH No-Commercial-Use", "nothing", "permissive"),
        ("CC-BY-NC-4.0", "keep the notice, credit, no commercial use", "any"),
        ("CC-BY-NC-ND-4.0", "keep the notice, credit, no commercial use, no derivatives", "any"),
        ("MIT OR GPL-2.0-only", "keep the notice", "permissive"),
        ("MIT AND GPL-2.0-only", "keep the notice, credit, share alike", "share-alike"),
        ("EPL-2.0", "keep the notice, credit, share alike", "share-alike"),  # by its category
        ("LicenseRef-public-domain", "unknown", "any"),
        ("", "unknown", "any"),
        ("(MIT", "unknown", "any"),
    ],
)
def test_what_a_licence_asks(licence: str, asked: str, licence_class: str) -> None:
    assert (terms_of(licence).in_words(), terms_of(licence).licence_class) == (asked, licence_class)


@given(EXPRESSIONS, EXPRESSIONS)
def test_both_licences_ask_all_that_each_asks(first: str, second: str) -> None:
    both = terms_of(f"({first}) AND ({second})")
    assert both == terms_of(first).joined(terms_of(second))
    for each in (first, second):
        assert both.licence_class.contains(terms_of(each).licence_class)


@given(EXPRESSIONS, EXPRESSIONS)
def test_a_choice_asks_what_one_of_its_licences_asks_and_no_more_than_each(first: str, second: str) -> None:
    chosen = terms_of(f"({first}) OR ({second})")
    assert chosen in (terms_of(first), terms_of(second))
    for each in (first, second):
        assert terms_of(each).licence_class.contains(chosen.licence_class)


@given(st.lists(EXPRESSIONS, min_size=1, max_size=5))
def test_one_expression_stands_for_the_whole(expressions: list[str]) -> None:
    """Whatever the order and the number of times: it is SPDX, and asks no less than the class of any part."""
    whole = combine_licences(expressions)
    assert whole == combine_licences([*reversed(expressions), *expressions])
    assert whole == combine_licences([whole])
    for name in split_licences(whole):
        assert is_listed(name) or name.startswith("LicenseRef-")
    for expression in expressions:
        if terms_of(expression).known and terms_of(whole).known:
            assert terms_of(whole).licence_class.contains(terms_of(expression).licence_class)


def test_a_sound_without_licence_stays_visible_in_the_whole() -> None:
    assert combine_licences(["CC0-1.0", "", "not SPDX at all"]) == f"CC0-1.0 AND {UNKNOWN_LICENCE}"
    assert terms_of(combine_licences(["CC0-1.0", ""])) == UNKNOWN.joined(terms_of("CC0-1.0"))
    assert combine_licences([]) == ""


def test_every_licence_of_the_table_is_in_the_spdx_list() -> None:
    assert not [name for name in TABLE if not is_listed(name)]


def test_a_class_contains_those_that_ask_less(tiny_manifest: Path) -> None:
    library = load_library(tiny_manifest)
    chosen = [set(select_by_class(library, each).assets) for each in LicenceClass]
    assert all(smaller <= larger for smaller, larger in pairwise(chosen))
    assert [len(each) for each in chosen] == [9, 18, 18, 21]
    assert select_by_class(library, LicenceClass.ANY) is library


def test_a_library_of_which_nothing_is_left_is_refused(tiny_manifest: Path, tmp_path: Path) -> None:
    text = tiny_manifest.read_text(encoding="utf-8").replace("CC0-1.0", "").replace("CC-BY-4.0", "")
    (tmp_path / "library.csv").write_text(text, encoding="utf-8")
    with pytest.raises(LibraryError, match="no sound has a licence of the class permissive"):
        select_by_class(load_library(tmp_path / "library.csv"), LicenceClass.PERMISSIVE)


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown 'permisive' \(did you mean 'permissive'\?\)"):
        parse_licence_class("permisive")


def build(manifest: Path, folder: Path, name: str, **options: str) -> rmod.BuildResult:
    recipe = folder / "tiny.yaml"
    recipe.write_text(RECIPE, encoding="utf-8")
    pairs = {"train": 4, "valid": 2}
    return rmod.build(recipe, library=manifest, out=folder / name, pairs=pairs, progress=False, **options)  # type: ignore[arg-type]


def test_a_limited_build_uses_only_sounds_of_the_class(tiny_manifest: Path, tmp_path: Path) -> None:
    """Splits stay, the limit is in the fingerprint, and the pairs can be composed again from the whole library."""
    data = build(tiny_manifest, tmp_path, "limited", licences="attribution")
    assert set(data.licences()) == {"CC0-1.0", "CC-BY-4.0"}
    assert data.fingerprint["library"]["licences"] == "attribution"
    splits = {asset.sha256: asset.split for asset in load_library(tiny_manifest).assets}
    assert all(splits[source["sha256"]] == row["split"] for row in data.index() for source in row["sources"])
    check = rmod.verify(data, rerender=6, progress=False)
    assert check.ok
    assert check.recomposed


def test_a_build_without_limit_keeps_its_fingerprint_and_bytes(tiny_manifest: Path, tmp_path: Path) -> None:
    default = build(tiny_manifest, tmp_path, "default")
    unlimited = build(tiny_manifest, tmp_path, "any", licences="any")
    content = json.loads((tmp_path / "default" / "build.json").read_bytes())
    assert set(content["library"]) == {"digest", "sounds"}
    assert reproducible_files(tmp_path / "default") == reproducible_files(tmp_path / "any")
    assert default.fingerprint == unlimited.fingerprint


def test_a_resume_with_another_class_is_refused(tiny_manifest: Path, tmp_path: Path) -> None:
    build(tiny_manifest, tmp_path, "out", licences="attribution")
    with pytest.raises(rmod.RmodError, match=r"library\.licences: existing \"attribution\", requested nothing"):
        build(tiny_manifest, tmp_path, "out")


def test_a_limit_that_leaves_too_few_sounds_is_named(tiny_manifest: Path, tmp_path: Path) -> None:
    text = tiny_manifest.read_text(encoding="utf-8").replace("CC0-1.0", "CC-BY-4.0")
    rows = text.splitlines(keepends=True)
    kept = next(number for number, row in enumerate(rows) if ",train," in row)
    rows[kept] = rows[kept].replace("CC-BY-4.0", "CC0-1.0")
    (tiny_manifest.parent / "limited.csv").write_text("".join(rows), encoding="utf-8")
    with pytest.raises(LibraryError, match="of the sounds under permissive licences, ") as caught:
        build(tiny_manifest.parent / "limited.csv", tmp_path, "out", licences="permissive")
    assert caught.value.hint.startswith("choose a wider --licences; or add")
    assert not (tmp_path / "out").exists()
