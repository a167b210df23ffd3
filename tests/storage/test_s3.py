"""Writes to a real S3 server are conditional where asked, and large files survive refused parts."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.storage import StorePath, parse_location


def store_path(bucket: Any, name: str) -> StorePath:
    """Return an address in a bucket."""
    path = parse_location(f"{bucket}/{name}")
    assert isinstance(path, StorePath)
    return path


def test_one_of_two_creations_wins_and_listings_have_pages(bucket: Any) -> None:
    """The store itself decides which of two writers of build.json is first."""
    data = store_path(bucket, "data")
    assert (data / "build.json").create(b"first")
    assert not (data / "build.json").create(b"second")
    assert bucket.get("data/build.json") == b"first"
    for number in range(12):
        (data / f"log/{number}.json").write_bytes(b"x")
    assert len(list((data / "log").glob("*.json"))) == 12


@pytest.mark.slow
def test_a_file_of_many_parts_appears_whole(bucket: Any, tmp_path: Path) -> None:
    """Above 100 MB the client uploads parts, which a last request joins."""
    file, target = tmp_path / "large", store_path(bucket, "data/large.tar")
    with file.open("wb") as stream:
        stream.truncate(101 * 2**20)
    failed: list[str] = []

    def refuse_first_part(method: str, path: str) -> int | None:
        if method != "PUT" or failed:
            return None
        failed.append(path)
        return 503

    bucket.server.fault = refuse_first_part
    target.upload(file)
    assert failed
    assert target.stat().st_size == 101 * 2**20
    assert bucket.keys("data/") == ["data/large.tar"]


def test_refused_parts_are_sent_again_without_the_whole_file(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One part in five is refused, so of a large file nearly always some part."""
    from s3fs import S3FileSystem, core

    part, size = 5 * 2**20, 41 * 2**20
    monkeypatch.setattr(core, "calculate_chunksize", lambda *_, **__: part)
    monkeypatch.setattr(S3FileSystem, "default_block_size", part)
    file, target = tmp_path / "large", store_path(bucket, "data/large.tar")
    content = os.urandom(size)
    file.write_bytes(content)
    requests: Counter[str] = Counter()

    def refuse_one_in_five(method: str, _path: str) -> int | None:
        requests[method] += 1
        return (500, 503)[requests[method] % 2] if requests[method] % 5 == 0 else None

    bucket.server.fault = refuse_one_in_five
    target.upload(file)
    assert bucket.get("data/large.tar") == content
    assert requests["POST"] == 2, "one upload was started and joined"
    assert 9 < requests["PUT"] < 2 * 9
    copy = tmp_path / "copy"
    requests.clear()
    target.fetch(copy)
    assert copy.read_bytes() == content
    assert 9 < requests["GET"] < 2 * 9 + 2


def test_a_large_file_is_sent_again_if_the_last_answer_is_lost(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retried request to join the parts may fail with "no such upload", because the first has joined them."""
    from s3fs import core

    monkeypatch.setattr(core, "calculate_chunksize", lambda *_, **__: 32 * 2**20)
    file, target = tmp_path / "large", store_path(bucket, "data/large.tar")
    with file.open("wb") as stream:
        stream.truncate(65 * 2**20)
    posts = 0

    def lose_second_post(method: str, _path: str) -> int | None:
        nonlocal posts
        posts += method == "POST"
        return 404 if method == "POST" and posts == 2 else None

    bucket.server.fault = lose_second_post
    target.upload(file)
    assert target.stat().st_size == 65 * 2**20
    assert posts == 4, "the file was sent twice"
