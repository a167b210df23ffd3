"""Recipes, specs and libraries accept the same names."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from rmod_pipeline import spec
from rmod_pipeline.errors import ManifestError
from rmod_pipeline.library.kinds.names import guess_kind
from rmod_pipeline.library.manifest import CsvRow, parse_kind
from rmod_pipeline.library.taxonomy import ONE_SHOT_KINDS
from rmod_pipeline.recipe import schema
from rmod_pipeline.storage.naming import is_name, nearest_name

TEXTS = st.one_of(
    st.text(max_size=6), st.text("aZ0_-é \n", max_size=6), st.from_regex(r"[a-z][a-z0-9_]*", fullmatch=True)
)


@given(TEXTS)
def test_recipe_spec_and_library_accept_the_same_kinds(text: str) -> None:
    for reader in (schema.Name, spec.Name):
        try:
            TypeAdapter(reader).validate_python(text)
            accepted = True
        except ValidationError:
            accepted = False
        assert accepted == is_name(text)
    try:
        # Spaces around a cell of a manifest are ignored.
        assert is_name(parse_kind(CsvRow(Path("m.csv"), 2, {"kind": text})))
    except ManifestError as error:
        assert not is_name(text) and error.hint


@given(TEXTS)
def test_the_nearest_name_is_a_name(text: str) -> None:
    nearest = nearest_name(text)
    assert nearest == "" or is_name(nearest)
    assert nearest == text.strip("_") or not is_name(text) or "__" in text


@pytest.mark.parametrize(
    ("text", "name"),
    [("Tom-Low", "tom_low"), ("kick drum", "kick_drum"), ("Caja Épica", "caja_epica"), ("808", ""), ("太鼓", "")],
)
def test_the_nearest_name_of_examples(text: str, name: str) -> None:
    assert nearest_name(text) == name


def test_kinds_found_in_file_names_are_names() -> None:
    assert all(map(is_name, ONE_SHOT_KINDS))
    assert all(is_name(guess_kind(f"{kind} 01", codes=True)) for kind in ("Kick", "Open Hats", "Vox", "BD", "Gtr"))
