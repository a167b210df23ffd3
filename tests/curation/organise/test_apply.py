"""Files are placed whole or not at all, nothing is replaced, and a stopped run continues."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.curation.organise import apply as apply_module
from rmod_pipeline.curation.organise.apply import apply_plan
from rmod_pipeline.curation.organise.plan import make_plan
from rmod_pipeline.curation.organise.records import PLACED, TABLE_NAME, TO_PLACE, Mode
from rmod_pipeline.curation.organise.table import read_table, write_table
from rmod_pipeline.curation.organise.undo import undo_table
from rmod_pipeline.errors import UsageError
from tests.curation.organise.organise_helpers import NAMES, PATTERN, SUFFIXES, facts, snapshot, sound
from tests.curation.organise.organise_world import World, change_row

MODES: tuple[Mode, ...] = ("copy", "link", "hard link")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.at(tmp_path)


def legal(name: str) -> bool:
    return len(name.encode()) <= 250


@st.composite
def contents(draw: st.DrawFn) -> dict[str, bytes]:
    """Return files of a source, by path: odd names, some with equal bytes."""
    names = draw(st.lists(st.tuples(NAMES, NAMES, SUFFIXES), max_size=8))
    files: dict[str, bytes] = {}
    for folder, stem, suffix in names:
        path = f"{folder}/{stem}{suffix}"
        if all(map(legal, path.split("/"))) and not {".", ".."} & set(path.split("/")):
            files[path] = draw(st.sampled_from([path.encode(), b"one", b"two"]))
    return files or {"kick.wav": b"one"}


@given(files=contents(), mode=st.sampled_from(MODES), foreign=st.data())
@settings(max_examples=60)
def test_organise_and_undo_leave_every_byte_where_it_was(
    files: dict[str, bytes], mode: Mode, foreign: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        world = World.at(Path(folder))
        world.to.mkdir()
        for path, data in files.items():
            world.add(path, data)
        # Foreign files: in the way of files, in the way of folders, with the same bytes, beside everything.
        for file in make_plan(world.facts(), PATTERN).files:
            place = foreign.draw(st.sampled_from(["", "", "file", "folder", "same", "beside"]))
            if place and file.new_path:
                outer = {"folder": file.new_path.split("/")[0], "beside": f"mine/{file.new_path}"}
                world.add_foreign(
                    outer.get(place, file.new_path), files[file.old_path] if place == "same" else b"foreign"
                )
        source, tree = snapshot(world.source), snapshot(world.to)
        rows = world.organise(mode)
        assert snapshot(world.source) == source
        after = snapshot(world.to)
        assert tree.items() <= after.items()
        by_place = {row.new_path: row for row in rows if row.has_place}
        for row in by_place.values():
            assert (world.to / row.new_path).read_bytes() == files[row.old_path]
        assert {path for path in after.keys() - tree.keys() if after[path][0] != "folder"} == {
            *(row.new_path for row in rows if row.action == PLACED),
            TABLE_NAME,
        }
        assert list(rows) == read_table(world.table)
        assert world.organise(mode) == rows
        assert snapshot(world.to) == after
        result = undo_table(world.table)
        assert sorted(result.removed) == sorted(row.new_path for row in rows if row.action == PLACED)
        assert not result.changed and not result.failed and not result.gone
        assert snapshot(world.source) == source and snapshot(world.to) == tree


@given(count=st.integers(1, 6), stop=st.integers(0, 6), mode=st.sampled_from(MODES), killed=st.booleans())
@settings(max_examples=40)
def test_a_stopped_run_continues_to_the_same_tree(count: int, stop: int, mode: Mode, killed: bool) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        first, second = World(root / "source", root / "one"), World(root / "source", root / "two")
        for number in range(count):
            first.add(f"{number}/kick.wav")
        whole = first.organise(mode)

        def interrupt(step: str, done: int, total: int) -> None:
            if done > stop:
                raise KeyboardInterrupt

        try:
            second.organise(mode, interrupt)
        except KeyboardInterrupt:
            if killed:  # nothing was written after the table that was written first
                begun = [
                    change_row(row, action=TO_PLACE if row.action == PLACED else row.action)
                    for row in read_table(second.table)
                ]
                write_table(second.table, begun)
        rows = read_table(second.table)
        assert {row.old_path for row in rows} == {row.old_path for row in whole}
        assert second.organise(mode) == whole
        assert snapshot(second.to) == snapshot(first.to)


def test_times_are_those_of_the_source(world: World) -> None:
    os.utime(world.add("a.wav"), ns=(10**18, 10**18 + 123_456_789))
    (row,) = world.organise()
    assert (world.to / row.new_path).stat().st_mtime_ns == (world.source / "a.wav").stat().st_mtime_ns


def test_links_are_relative_so_that_both_folders_can_move_together(world: World, tmp_path: Path) -> None:
    world.add("folder/a.wav", "sound!")
    (row,) = world.organise("link")
    assert not Path(row.link).is_absolute()
    moved = tmp_path.resolve() / "elsewhere"
    moved.mkdir()
    shutil.move(world.source, moved / "source")
    assert not (world.to / row.new_path).exists() and (world.to / row.new_path).is_symlink()
    shutil.move(world.to, moved / "tree")
    assert (moved / "tree" / row.new_path).read_text() == "sound!"
    assert undo_table(moved / "tree" / TABLE_NAME).removed == [row.new_path]


def test_links_to_a_source_that_was_moved_stand_for_nothing(world: World) -> None:
    world.add("a.wav")
    (old,) = world.organise("link")
    moved = World(world.source.with_name("moved"), world.to)
    shutil.move(world.source, moved.source)
    rows = {row.folder: row for row in moved.organise("link")}
    assert rows[str(world.source)] == old and not (world.to / old.new_path).exists()
    assert (world.to / rows[str(moved.source)].new_path).read_bytes() == b"a.wav"
    assert len(undo_table(world.table).removed) == 2


def test_hard_links_are_second_names_of_the_same_file(world: World) -> None:
    file = world.add("a.wav")
    (row,) = world.organise("hard link")
    assert (world.to / row.new_path).samefile(file)


def _occupy(world: World) -> None:
    folder = next(path for path in world.to.iterdir() if path.is_dir()) / "dark-short"
    folder.mkdir(exist_ok=True)
    (folder / "b.wav").write_bytes(b"foreign")


@pytest.mark.parametrize(
    ("mishap", "mode", "reason"),
    [
        (lambda world: world.add("b.wav", b"other bytes, sadly"), "copy", "it changed while it was organised"),
        (lambda world: world.add("b.wav", b"other bytes, sadly"), "hard link", "it changed while it was organised"),
        (lambda world: (world.source / "b.wav").unlink(), "copy", "cannot be read: No such file"),
        (_occupy, "copy", "something else appeared"),
        (_occupy, "link", "something else appeared"),
        (_occupy, "hard link", "something else appeared"),
    ],
)
def test_a_mishap_with_one_file_stops_no_other(
    world: World, mishap: Callable[[World], object], mode: Mode, reason: str
) -> None:
    """Something happens to b.wav after a.wav was placed."""
    for name in ("a", "b", "c"):
        world.add(f"{name}.wav", f"sound {name}")

    def after_first(step: str, done: int, total: int) -> None:
        if done == 1:
            mishap(world)

    rows = {row.old_path: row for row in world.organise(mode, after_first)}
    assert rows["a.wav"].action == rows["c.wav"].action == PLACED
    assert rows["b.wav"].reason.startswith("could not be placed: ") and reason in rows["b.wav"].reason
    assert not rows["b.wav"].new_path and not list(world.to.rglob("*.tmp"))


def test_a_folder_that_became_a_link_is_not_written_through(world: World, tmp_path: Path) -> None:
    world.add("a.wav")
    outside = tmp_path / "outside"
    outside.mkdir()
    (row,) = make_plan(facts([sound("a.wav", kind="kick")], folder=str(world.source)), PATTERN).files
    world.to.mkdir()
    (world.to / "kick").symlink_to(outside)
    (placed,) = apply_plan([row], world.to)
    assert "is no folder" in placed.reason and not list(outside.iterdir())
    # A plan that sees the link goes around it.
    assert all(row.new_path.split("/")[0] == "kick-2" or row.kind != "kick" for row in world.organise())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_full_or_read_only_disk_stops_the_run_which_continues_later(
    world: World, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    for number in range(4):
        world.add(f"{number}.wav", f"sound {number}")
    calls: Iterator[int] = iter(range(100))
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if next(calls) >= 2:  # the first is that of the table
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(UsageError, match="cannot be written") as error:
            world.organise()
    assert "--to" in error.value.hint
    assert not list(world.to.rglob("*.tmp"))
    rows = world.organise()
    assert {row.action for row in rows} == {PLACED}


def test_a_disk_without_hard_links_gets_copies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("a.wav", "sound")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    (row,) = world.organise()
    assert row.action == PLACED and (world.to / row.new_path).read_text() == "sound"
    with pytest.raises(UsageError, match="takes no such links"):
        World(world.source, world.to.with_name("other")).organise("hard link")


def test_a_table_that_is_current_is_not_written_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add("a.wav")
    rows = world.organise()
    monkeypatch.setattr(apply_module, "write_table", None)
    assert world.organise() == rows
