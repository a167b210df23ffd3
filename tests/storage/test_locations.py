"""A text is parsed into a local path or an address, and an invalid address is refused with a hint."""

from __future__ import annotations

import sys
from pathlib import Path

import fsspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage import StorePath, parse_local_path, parse_location, with_listing
from rmod_pipeline.storage.folders import cache_folder


@pytest.mark.parametrize("text", ["out", "/data/out", "a b/c", "", "s3", "C:\\out", "file:///data/out", "data:/x"])
def test_text_without_a_store_scheme_is_a_local_path(text: str) -> None:
    assert parse_location(text) == Path(text.removeprefix("file://"))


def test_an_address_becomes_a_store_path() -> None:
    data = parse_location("memory://bucket/data/")
    assert isinstance(data, StorePath)
    assert str(data) == "memory://bucket/data"
    assert parse_location(data) is data


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s3:/bucket/data", "write s3://bucket/data"),
        ("simplecache::memory://b/x", "neither a path nor an address"),
        ("foo://bucket/data", "unknown kind of store"),
        ("memory://", "names no bucket"),
        ("memory://b//x", "empty or dotted"),
        ("memory://b/../x", "empty or dotted"),
        ("s3://key:hunter22@bucket/x", "a password in an address"),
    ],
)
def test_an_invalid_address_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        parse_location(text)
    assert "hunter22" not in str(error.value)


def test_the_hint_for_a_missing_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scheme: str) -> None:
        raise ImportError(f"Please install the client of {scheme}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", fail)
    with pytest.raises(UsageError, match=r"rmod-pipeline\[cloud\]"):
        parse_location("s3://bucket/data")
    with pytest.raises(UsageError, match="pip install gcsfs"):
        parse_location("gs://bucket/data")


def test_a_local_path_needs_no_listing() -> None:
    assert with_listing(Path("here")) == Path("here")


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(
    lambda name: name not in (".", "..")
)


@given(names=st.lists(NAMES, min_size=1, max_size=3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_leading_tilde_is_the_home_folder(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some one")
    rest = "/".join(names)
    for parse in (parse_location, parse_local_path):
        for text in (f"~/{rest}", Path(f"~/{rest}"), f"file://~/{rest}"):
            if isinstance(text, Path) or "://" not in rest:
                assert parse(text) == Path("/home/some one", *names)
    if "://" not in rest:
        literal = parse_location(f"./~/{rest}")
        assert literal == Path.cwd() / "~" / Path(*names)
        assert parse_location(literal) == literal, "a second look changes nothing"


def test_a_tilde_before_the_name_of_no_user_is_part_of_a_name() -> None:
    assert parse_location("~no-such-user/x") == Path.cwd() / "~no-such-user" / "x"


def test_the_cache_folder_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's environment or a .env file is read by no shell."""
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("RMOD_CACHE", "~/cache")
    assert cache_folder() == Path("/home/someone/cache")


def test_an_address_is_no_path_of_this_machine() -> None:
    with pytest.raises(UsageError, match=r"memory://bucket/x is on an object store.*\n.*give a local path"):
        parse_local_path("memory://bucket/x", "--out")


def test_a_missing_client_of_stores_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(UsageError, match="tenacity is not installed"):
        parse_location("s3://bucket/data")
