"""A text is parsed into a local path or an address, and an invalid address is refused with a hint."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest

from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage import StorePath, parse_location, with_listing


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
