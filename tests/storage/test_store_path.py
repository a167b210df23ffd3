"""A store path behaves like a local path, and saves requests by listings and by reading in advance."""

from __future__ import annotations

import pickle
from pathlib import Path, PurePosixPath

import pytest

from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import StorePath, with_listing
from rmod_pipeline.storage.publish import draft, publish, publish_bytes, publish_new


def test_an_address_has_the_parts_of_a_path() -> None:
    data = StorePath("memory://bucket/data")
    tar = data / "audio" / "train-000000.tar"
    assert str(tar) == "memory://bucket/data/audio/train-000000.tar"
    assert (tar.name, tar.stem, tar.suffix) == ("train-000000.tar", "train-000000", ".tar")
    assert tar.parent.parent == data == data.resolve()
    assert tar.relative_to(data) == PurePosixPath("audio/train-000000.tar")
    assert data.parent.parent == data.parent, "a bucket is its own parent"
    assert pickle.loads(pickle.dumps(tar)) == tar
    with pytest.raises(ValueError, match="not below"):
        data.relative_to(tar)


@pytest.mark.parametrize(("relative", "joined"), [("../sounds", "b/x/sounds"), (".", "b/x/y"), ("a/../b", "b/x/y/b")])
def test_a_relative_path_stays_in_the_bucket(relative: str, joined: str) -> None:
    base = StorePath("memory://b/x/y")
    assert base.join_relative(relative) == StorePath(f"memory://{joined}")
    with pytest.raises(ValueError, match="out of memory://b"):
        base.join_relative("../../../elsewhere")


def test_objects_are_read_with_the_methods_of_a_path(root: StorePath) -> None:
    names = ["build.json", "audio/a.tar", "audio/b.tar", "tokens/mini/codec.json", "tokens/mini/a.tar"]
    assert not root.exists()
    assert not list(root.glob("*"))
    for name in names:
        (root / name).write_bytes(name.encode())
    for data in (root, root.with_listing()):
        assert data.exists()
        assert data.is_dir()
        assert not data.is_file()
        assert (data / "build.json").is_file()
        assert (data / "build.json").stat().st_size == len("build.json")
        assert not (data / "audi").exists(), "the beginning of a name is not a folder"
        assert not (data / "absent").is_file()
        assert [path.stem for path in sorted((data / "audio").glob("*.tar"), key=str)] == ["a", "b"]
        assert [str(path.relative_to(data)) for path in (data / "tokens").glob("*/codec.json")] == [
            "tokens/mini/codec.json"
        ]
    with pytest.raises(FileNotFoundError):
        (root / "absent").read_bytes()
    with pytest.raises(FileNotFoundError):
        (root / "absent").stat()
    (root / "build.json").unlink()
    (root / "build.json").unlink(missing_ok=True)
    assert not (root / "build.json").exists()


def forbid_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test at any later request to a store."""
    monkeypatch.setattr("rmod_pipeline.storage.store_path.open_store", lambda _: pytest.fail("the store was asked"))


def test_a_listing_answers_without_requests(root: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"123")
    listed = with_listing(root)
    forbid_requests(monkeypatch)
    assert isinstance(listed, StorePath)
    assert (listed / "a").is_file()
    assert (listed / "a").stat().st_size == 3
    assert not (listed / "b").exists()


def test_receipts_are_read_together(root: StorePath, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(root)
    for shard in ("a", "b"):
        layout.receipt(shard).write_bytes(shard.encode())
    prefetched = layout.with_receipts(["a", "b", "absent"], ["audio"])
    forbid_requests(monkeypatch)
    assert [prefetched.receipt(shard).read_bytes() for shard in ("a", "b")] == [b"a", b"b"]
    assert not prefetched.receipt("absent").exists()


def test_files_for_a_store_are_drafted_in_the_cache_and_uploaded_whole(root: StorePath, own_cache: Path) -> None:
    layout = Layout(root)
    assert layout.drafts == own_cache / "drafts"
    with draft(layout.drafts, "a.tar") as file:
        file.write_bytes(b"whole")
        assert not layout.tar("a").exists()
        publish(file, layout.tar("a"))
    assert layout.tar("a").read_bytes() == b"whole"
    assert not list(layout.drafts.iterdir())
    publish_bytes(b"1", root / "note", layout.drafts)
    assert publish_new(b"first", layout.build, layout.drafts)
    assert not publish_new(b"second", layout.build, layout.drafts)
    assert layout.build.read_bytes() == b"first"


def test_a_file_that_is_missing_here_is_not_taken_for_a_lost_upload(
    root: StorePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a"
    file.touch()

    def lose(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(file))

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.put_file", lose)
    with pytest.raises(FileNotFoundError):
        (root / "a").upload(file)


def test_an_object_that_is_missing_is_removed_only_on_request(root: StorePath) -> None:
    (root / "a").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (root / "a").unlink()
