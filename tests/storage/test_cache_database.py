"""Laws of a cache file: it is whole or made again, and no fault of it stops a command."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from rmod_pipeline.storage.cache_database import CacheDatabase

TABLES = "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, text TEXT);"


def open_cache(path: Path | None, limit: int | None = None) -> CacheDatabase:
    return CacheDatabase(path, TABLES, "the test", limit)


def put(cache: CacheDatabase, name: str, text: str = "x") -> None:
    cache.run(lambda database: database.execute("INSERT OR REPLACE INTO notes VALUES (?,?)", (name, text)))


def count(cache: CacheDatabase) -> int | None:
    return cache.run(lambda database: int(database.execute("SELECT COUNT(*) FROM notes").fetchone()[0]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed cache file with many notes."""
    file = tmp_path / "deep" / "cache.sqlite"
    with closing(open_cache(file)) as cache:
        for number in range(2000):
            put(cache, f"{number}", "y" * 100)
    return file


def test_what_was_stored_is_there_later(path: Path) -> None:
    with closing(open_cache(path)) as cache:
        assert count(cache) == 2000


def test_without_a_path_nothing_is_stored() -> None:
    cache = open_cache(None)
    put(cache, "a")
    assert count(cache) is None
    cache.commit_periodically()
    cache.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_made_again(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(content)
    with closing(open_cache(path)) as cache:
        assert count(cache) == 0
        put(cache, "a")
        assert count(cache) == 1
    assert ("damaged" in caplog.text) == bool(content)
    with closing(open_cache(path)) as cache:
        assert count(cache) == 1


def test_damage_that_is_found_late_is_mended_too(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(path.read_bytes())
    data[8192:-4096] = b"\xff" * (len(data) - 8192 - 4096)  # the pages behind the first ones
    path.write_bytes(data)
    with closing(open_cache(path)) as cache:
        answers = [cache.run(lambda d: d.execute("SELECT * FROM notes ORDER BY text, name").fetchall())]
        assert answers == [None]
        assert "damaged" in caplog.text
        put(cache, "a")
        assert count(cache) == 1


def test_a_log_of_a_removed_file_does_not_come_back(path: Path) -> None:
    path.write_bytes(b"no database" * 500)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).write_bytes(b"old" * 500)
    with closing(open_cache(path)) as cache:
        assert count(cache) == 0


def test_an_error_that_is_no_damage_turns_the_cache_off_and_removes_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = open_cache(path)
    assert cache.run(lambda database: database.execute("SELECT * FROM missing")) is None
    assert cache.run(lambda _: 1) is None
    assert "continues without its cache" in caplog.text
    cache = open_cache(path)
    with closing(cache):
        wrong_use = sqlite3.ProgrammingError("wrong use")

        def misuse(_: sqlite3.Connection) -> None:
            raise wrong_use

        assert cache.run(misuse) is None
    with closing(open_cache(path)) as cache:
        assert count(cache) == 2000


def test_a_path_that_cannot_be_a_file_leaves_a_command_without_a_cache(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("mine")
    cache = open_cache(tmp_path / "file" / "cache.sqlite")
    put(cache, "a")
    assert count(cache) is None
    assert "continues without the cache" in caplog.text
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_above_its_limit_is_made_again(path: Path) -> None:
    size = path.stat().st_size
    with closing(open_cache(path, size)) as cache:
        assert count(cache) == 2000
    with closing(open_cache(path, size - 1)) as cache:
        assert count(cache) == 0


def test_two_may_have_it_open(path: Path) -> None:
    with closing(open_cache(path)) as first, closing(open_cache(path)) as second:
        put(first, "a")
        first.run(lambda database: database.commit())
        put(second, "b")
        assert count(second) == 2002
