"""Objects and sounds are fetched once into the cache, and the least recently used copies are removed first."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.storage import (
    StoreError,
    StorePath,
    fetch_to_cache,
    local_copies,
    open_for_reading,
    read_from_cache,
    store_in_cache,
)
from rmod_pipeline.storage.publish import file_digest


def test_an_object_is_fetched_once_and_again_when_it_changes(root: StorePath, own_cache: Path) -> None:
    tar = root / "a.tar"
    tar.write_bytes(b"one")
    copy = fetch_to_cache(tar)
    inode = copy.stat().st_ino
    with open_for_reading(tar) as file:
        assert file.read() == b"one"
    assert fetch_to_cache(tar).stat().st_ino == inode
    copy.write_bytes(b"rot")  # a damaged copy does not affect the digest of the object on the store
    assert file_digest(tar) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    tar.write_bytes(b"two")
    with open_for_reading(tar) as file:
        assert file.read() == b"two"


def test_objects_are_fetched_although_the_cache_cannot_be_written(
    root: StorePath, own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local_copies, "_STATE", local_copies._CacheState())
    own_cache.write_text("a file where the folder belongs")
    (root / "a.tar").write_bytes(b"content")
    for _ in range(2):
        copy = fetch_to_cache(root / "a.tar")
        assert copy.read_bytes() == b"content"
        assert own_cache not in copy.parents
    assert caplog.text.count("cannot be written") == 1


def test_old_copies_are_removed_for_new_ones(root: StorePath, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmod_pipeline.storage.local_copies.FETCHED_BYTES", 250)
    copies = []
    for number in range(4):
        (root / str(number)).write_bytes(bytes(100))
        copies.append(fetch_to_cache(root / str(number)))
        os.utime(copies[-1], (number, number))
    assert [copy.exists() for copy in copies] == [False, False, True, True]
    (root / "large").write_bytes(bytes(1000))
    assert fetch_to_cache(root / "large").stat().st_size == 1000
    assert not list((own_cache / "fetched").glob(".*"))


def test_old_sounds_are_removed_now_and_then(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used go first, and the size is not checked at every sound."""
    monkeypatch.setattr(local_copies, "SOUND_BYTES", 1600)
    monkeypatch.setattr(local_copies, "_STATE", local_copies._CacheState())
    checks: list[tuple[Any, ...]] = []
    remove_oldest = local_copies.remove_oldest

    def record_check(*arguments: Any) -> None:
        checks.append(arguments)
        remove_oldest(*arguments)

    monkeypatch.setattr(local_copies, "remove_oldest", record_check)
    sounds = [bytes([number]) * 25 for number in range(80)]
    digests = [hashlib.sha256(sound).hexdigest() for sound in sounds]
    for number, sound in enumerate(sounds):
        store_in_cache(sound)
        os.utime(local_copies._sound_path(digests[number]), (number, number))
        assert read_from_cache(digests[0]) == sounds[0], "reading a sound keeps it in the cache"
    assert len(checks) == 20, "one check at the first sound, then one per 100 bytes"
    kept = [read_from_cache(digest) is not None for digest in digests]
    assert kept[0]
    assert not any(kept[1:10])
    assert all(kept[-60:])
    assert 1600 - 100 <= 25 * sum(kept) <= 1600 + 100


def test_a_damaged_sound_in_the_cache_is_not_used(own_cache: Path) -> None:
    store_in_cache(b"sound")
    digest = next((own_cache / "sounds").glob("*/*")).name
    assert read_from_cache(digest) == b"sound"
    (own_cache / "sounds" / digest[:2] / digest).write_bytes(b"noise")
    assert read_from_cache(digest) is None
    store_in_cache(b"sound")
    assert read_from_cache(digest) == b"sound"


def test_a_sound_that_the_cache_cannot_take_is_not_stored(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    store_in_cache(b"content")
    assert [record for record in caplog.records if "No space left" in record.getMessage()]
    assert not [path for path in own_cache.rglob("*") if path.is_file()], "the draft is removed"


def test_a_copy_that_is_always_removed_is_an_error(
    root: StorePath, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_copies, "fetch_to_cache", lambda *_: own_cache / "none")
    with pytest.raises(StoreError, match="its cached copy is removed"):
        local_copies._open_copy(root / "a.tar", False)
