"""Places: local paths are pathlib's, addresses answer to the same names, and a store that fails is asked again."""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

import fsspec
import pytest

from rmod_pipeline.errors import RmodError, UsageError
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import (
    StoreError,
    StorePath,
    keep,
    kept_copy,
    local_copies,
    opened,
    parse_location,
    read_kept,
    with_listing,
)
from rmod_pipeline.storage.publish import draft, file_digest, publish, publish_bytes, publish_new
from rmod_pipeline.storage.requests import TRIES


@pytest.fixture
def root() -> Iterator[StorePath]:
    """A store in memory."""
    name = f"memory://bucket-{uuid4().hex}/data"
    yield StorePath(name)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("text", ["out", "/data/out", "a b/c", "", "s3", "C:\\out", "file:///data/out", "data:/x"])
def test_what_is_no_address_is_a_path(text: str) -> None:
    assert parse_location(text) == Path(text.removeprefix("file://"))


def test_an_address_is_taken_apart_and_put_together() -> None:
    data = parse_location("memory://bucket/data/")
    assert isinstance(data, StorePath)
    tar = data / "audio" / "train-000000.tar"
    assert str(tar) == "memory://bucket/data/audio/train-000000.tar"
    assert (tar.name, tar.stem, tar.suffix) == ("train-000000.tar", "train-000000", ".tar")
    assert tar.parent.parent == data == data.resolve()
    assert tar.relative_to(data) == PurePosixPath("audio/train-000000.tar")
    assert data.parent.parent == data.parent, "nothing is above a bucket"
    assert pickle.loads(pickle.dumps(tar)) == tar
    assert parse_location(data) is data
    with pytest.raises(ValueError, match="not below"):
        data.relative_to(tar)


@pytest.mark.parametrize(("relative", "leads"), [("../sounds", "b/x/sounds"), (".", "b/x/y"), ("a/../b", "b/x/y/b")])
def test_a_way_up_stays_in_the_bucket(relative: str, leads: str) -> None:
    here = StorePath("memory://b/x/y")
    assert here.joined(relative) == StorePath(f"memory://{leads}")
    with pytest.raises(ValueError, match="out of memory://b"):
        here.joined("../../../elsewhere")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("s3:/bucket/data", "write s3://bucket/data"),
        ("simplecache::memory://b/x", "neither a path nor an address"),
        ("foo://bucket/data", "no kind of store"),
        ("memory://", "names no bucket"),
        ("memory://b//x", "empty or dotted"),
        ("memory://b/../x", "empty or dotted"),
        ("s3://key:hunter22@bucket/x", "a password in an address"),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        parse_location(text)
    assert "hunter22" not in str(error.value)


def test_a_client_that_is_missing_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError(f"Please install the client of {scheme}")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(UsageError, match=r"rmod-pipeline\[cloud\]"):
        parse_location("s3://bucket/data")
    with pytest.raises(UsageError, match="pip install gcsfs"):
        parse_location("gs://bucket/data")


def test_a_store_is_read_by_pathlibs_names(root: StorePath) -> None:
    names = ["build.json", "audio/a.tar", "audio/b.tar", "tokens/mini/codec.json", "tokens/mini/a.tar"]
    assert not root.exists()
    assert not list(root.glob("*"))
    for name in names:
        (root / name).write_bytes(name.encode())
    for there in (root, root.listed()):
        assert there.exists()
        assert there.is_dir()
        assert not there.is_file()
        assert (there / "build.json").is_file()
        assert (there / "build.json").stat().st_size == len("build.json")
        assert not (there / "audi").exists(), "the beginning of a name is no folder"
        assert not (there / "absent").is_file()
        assert [each.stem for each in sorted((there / "audio").glob("*.tar"), key=str)] == ["a", "b"]
        assert [str(each.relative_to(there)) for each in (there / "tokens").glob("*/codec.json")] == [
            "tokens/mini/codec.json"
        ]
    with pytest.raises(FileNotFoundError):
        (root / "absent").read_bytes()
    with pytest.raises(FileNotFoundError):
        (root / "absent").stat()
    (root / "build.json").unlink()
    (root / "build.json").unlink(missing_ok=True)
    assert not (root / "build.json").exists()


def test_what_is_listed_is_not_asked_again(root: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"123")
    there = with_listing(root)
    monkeypatch.setattr("rmod_pipeline.storage.store_path.store_of", lambda _: pytest.fail("the store was asked"))
    assert (there / "a").is_file()
    assert (there / "a").stat().st_size == 3
    assert not (there / "b").exists()
    assert with_listing(Path("here")) == Path("here")


def test_receipts_are_read_together(root: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(root)
    for shard in ("a", "b"):
        layout.receipt(shard).write_bytes(shard.encode())
    there = layout.with_receipts(["a", "b", "absent"], ["audio"])
    monkeypatch.setattr("rmod_pipeline.storage.store_path.store_of", lambda _: pytest.fail("the store was asked"))
    assert [there.receipt(shard).read_bytes() for shard in ("a", "b")] == [b"a", b"b"]
    assert not there.receipt("absent").exists()


def test_what_is_made_for_a_store_is_drafted_in_the_cache_and_put_whole(root: StorePath, own_cache: Path) -> None:
    layout = Layout(root)
    assert layout.drafts == own_cache / "drafts"
    with draft(layout.drafts, "a.tar") as file:
        file.write_bytes(b"whole")
        assert not layout.tar("a").exists()
        publish(file, layout.tar("a"))
    assert layout.tar("a").read_bytes() == b"whole"
    assert not list(layout.drafts.iterdir())
    publish_bytes(b"1", root / "note", layout.drafts)
    publish_new(b"first", layout.build, layout.drafts)
    publish_new(b"second", layout.build, layout.drafts)
    assert layout.build.read_bytes() == b"first"
    assert not layout.build.create(b"third")  # type: ignore[union-attr]


class Failing:
    """A store that fails so many times, then answers."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times, self.asked = error, times, 0

    def _strip_protocol(self, address: str) -> str:
        return address

    def info(self, address: str) -> dict[str, Any]:
        raise FileNotFoundError(address)

    def pipe_file(self, _: str, content: bytes, **options: str) -> None:
        self.asked += 1
        if options:
            raise self.error
        self.put = content

    def cat_file(self, _: str) -> bytes:
        self.asked += 1
        if self.asked <= self.times:
            raise self.error
        return b"at last"

    def get_file(self, *_: str) -> None:
        self.asked += 1
        raise self.error


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Failing]:
    def make(error: Exception, times: int = 1000) -> Failing:
        store = Failing(error, times)
        monkeypatch.setattr("rmod_pipeline.storage.store_path.store_of", lambda _: store)
        monkeypatch.setattr("rmod_pipeline.storage.requests.FIRST_PAUSE_SECONDS", 0.0)
        return store

    return make


def test_a_failure_that_may_pass_is_asked_again(failing: Callable[..., Failing], root: StorePath) -> None:
    store = failing(OSError(errno.EBUSY, "slow down"), times=TRIES - 1)
    assert root.read_bytes() == b"at last"
    assert store.asked == TRIES


def test_a_failure_that_stays_is_told_with_what_to_do(failing: Callable[..., Failing], root: StorePath) -> None:
    failing(TimeoutError("no answer"))
    with pytest.raises(StoreError, match="failed 8 times: no answer") as error:
        root.read_bytes()
    assert "network" in error.value.hint
    assert isinstance(error.value, RmodError)


@pytest.mark.parametrize("error", [PermissionError("no"), FileNotFoundError("no"), ImportError("no")])
def test_what_will_not_pass_is_not_asked_again(
    failing: Callable[..., Failing], root: StorePath, error: Exception
) -> None:
    store = failing(error)
    with pytest.raises((StoreError, FileNotFoundError)):
        root.read_bytes()
    assert store.asked == 1


@pytest.mark.parametrize("error", [NotImplementedError(), OSError(errno.ENOSYS, "not implemented"), TypeError("mode")])
def test_a_store_without_conditions_is_looked_at_first(
    failing: Callable[..., Failing], root: StorePath, error: Exception
) -> None:
    store = failing(error)
    assert root.create(b"new")
    assert (store.put, store.asked) == (b"new", 2)


def test_a_full_disk_is_no_failure_of_the_store(
    failing: Callable[..., Failing], root: StorePath, own_cache: Path
) -> None:
    store = failing(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        root.fetch(own_cache)
    assert store.asked == 1


def test_a_secret_of_the_environment_is_never_told(
    failing: Callable[..., Failing], root: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")
    failing(PermissionError("bad signature of hunter22hunter22"))
    with pytest.raises(StoreError) as error:
        root.read_bytes()
    assert "hunter22" not in str(error.value)


def test_a_file_is_fetched_once_and_again_if_it_is_another(root: StorePath, own_cache: Path) -> None:
    tar = root / "a.tar"
    tar.write_bytes(b"one")
    first = kept_copy(tar)
    before = first.stat().st_ino
    with opened(tar) as file:
        assert file.read() == b"one"
    assert kept_copy(tar).stat().st_ino == before
    first.write_bytes(b"rot")  # a copy that somebody wrote into: asked for the store's own bytes, it is not shown
    assert file_digest(tar) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    tar.write_bytes(b"two")
    with opened(tar) as file:
        assert file.read() == b"two"


def test_copies_make_room_for_newer_ones(root: StorePath, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmod_pipeline.storage.local_copies.FETCHED_BYTES", 250)
    copies = []
    for number in range(4):
        (root / str(number)).write_bytes(bytes(100))
        copies.append(kept_copy(root / str(number)))
        os.utime(copies[-1], (number, number))
    assert [copy.exists() for copy in copies] == [False, False, True, True]
    (root / "large").write_bytes(bytes(1000))
    assert kept_copy(root / "large").stat().st_size == 1000
    assert not list((own_cache / "fetched").glob(".*"))


def test_kept_sounds_make_room_for_newer_ones(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those unused for longest go first; and all are looked through now and then, not for every sound."""
    monkeypatch.setattr(local_copies, "KEPT_BYTES", 1600)
    monkeypatch.setattr(local_copies, "_KEPT", local_copies._Kept())
    rooms = []
    make_room = local_copies._make_room
    monkeypatch.setattr(local_copies, "_make_room", lambda *given: rooms.append(given) or make_room(*given))
    sounds = [bytes([number]) * 25 for number in range(80)]
    names = [hashlib.sha256(sound).hexdigest() for sound in sounds]
    for number, sound in enumerate(sounds):
        keep(sound)
        os.utime(local_copies._kept(names[number]), (number, number))
        assert read_kept(names[0]) == sounds[0], "it is in use all the time"
    assert len(rooms) == 20, "at the first, and after every hundred bytes"
    there = [read_kept(name) is not None for name in names]
    assert there[0]
    assert not any(there[1:10])
    assert all(there[-60:])
    assert 1600 - 100 <= 25 * sum(there) <= 1600 + 100


def test_a_kept_sound_that_is_damaged_is_not_taken(own_cache: Path) -> None:
    keep(b"sound")
    digest = next((own_cache / "sounds").glob("*/*")).name
    assert read_kept(digest) == b"sound"
    (own_cache / "sounds" / digest[:2] / digest).write_bytes(b"noise")
    assert read_kept(digest) is None
    keep(b"sound")
    assert read_kept(digest) == b"sound"


def test_s3_puts_once_if_asked_to_and_lists_pages(bucket: Any) -> None:
    """Of two that make build.json at once one does, and the store itself sees to it."""
    data = parse_location(f"{bucket}/data")
    assert isinstance(data, StorePath)
    assert (data / "build.json").create(b"first")
    assert not (data / "build.json").create(b"second")
    assert bucket.get("data/build.json") == b"first"
    for number in range(12):
        (data / f"log/{number}.json").write_bytes(b"x")
    assert len(list((data / "log").glob("*.json"))) == 12


@pytest.mark.slow
def test_a_file_of_many_parts_is_seen_whole_or_not_at_all(bucket: Any, tmp_path: Path) -> None:
    """Above 100 MB the client puts parts, which a last request joins."""
    file, target = tmp_path / "large", parse_location(f"{bucket}/data/large.tar")
    assert isinstance(target, StorePath)
    with file.open("wb") as stream:
        stream.truncate(101 * 2**20)
    failed: list[str] = []

    def first_part(method: str, path: str) -> int | None:
        if method != "PUT" or failed:
            return None
        failed.append(path)
        return 503

    bucket.server.fault = first_part
    target.upload(file)
    assert failed
    assert target.stat().st_size == 101 * 2**20
    assert bucket.keys("data/") == ["data/large.tar"]


def test_one_refused_part_in_five_does_not_begin_the_file_again(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large file some part is refused nearly always: each is asked for again, not all of them."""
    from s3fs import S3FileSystem, core

    part, size = 5 * 2**20, 41 * 2**20
    monkeypatch.setattr(core, "calculate_chunksize", lambda *_, **__: part)
    monkeypatch.setattr(S3FileSystem, "default_block_size", part)
    file, target = tmp_path / "large", parse_location(f"{bucket}/data/large.tar")
    assert isinstance(target, StorePath)
    content = os.urandom(size)
    file.write_bytes(content)
    asked: Counter[str] = Counter()

    def one_in_five(method: str, _path: str) -> int | None:
        asked[method] += 1
        return (500, 503)[asked[method] % 2] if asked[method] % 5 == 0 else None

    bucket.server.fault = one_in_five
    target.upload(file)
    assert bucket.get("data/large.tar") == content
    assert asked["POST"] == 2, "it was begun once and joined once"
    assert 9 < asked["PUT"] < 2 * 9
    back = tmp_path / "back"
    asked.clear()
    target.fetch(back)
    assert back.read_bytes() == content
    assert 9 < asked["GET"] < 2 * 9 + 2


def test_a_large_file_whose_last_answer_gets_lost_is_put_again(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked once more to join the parts, a store may say that it knows no such upload: it has joined them."""
    from s3fs import core

    monkeypatch.setattr(core, "calculate_chunksize", lambda *_, **__: 32 * 2**20)
    file, target = tmp_path / "large", parse_location(f"{bucket}/data/large.tar")
    assert isinstance(target, StorePath)
    with file.open("wb") as stream:
        stream.truncate(65 * 2**20)
    posts = 0

    def second_post(method: str, _path: str) -> int | None:
        nonlocal posts
        posts += method == "POST"
        return 404 if method == "POST" and posts == 2 else None

    bucket.server.fault = second_post
    target.upload(file)
    assert target.stat().st_size == 65 * 2**20
    assert posts == 4, "it was put again"
