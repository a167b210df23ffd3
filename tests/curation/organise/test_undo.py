"""Undo takes away exactly what was placed and is unchanged; tables of another kind are refused."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.organise.records import PLACED, SKIPPED, TABLE_NAME, TO_PLACE, Mode, OrganisedFile
from rmod_pipeline.curation.organise.table import read_table, write_table
from rmod_pipeline.curation.organise.tree import lock_tree, remove_temporary_files
from rmod_pipeline.curation.organise.undo import undo_table
from rmod_pipeline.errors import ManifestError, UsageError
from tests.curation.organise.organise_helpers import NAMES, snapshot
from tests.curation.organise.organise_world import World, change_row


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.at(tmp_path)


def test_undo_of_a_stopped_run_takes_away_what_was_placed(world: World) -> None:
    for number in range(4):
        world.add(f"{number}.wav")

    def interrupt(step: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        world.organise(progress=interrupt)
    assert sorted(row.action for row in read_table(world.table)) == [PLACED, PLACED, TO_PLACE, TO_PLACE]
    result = undo_table(world.table)
    assert (len(result.removed), len(result.gone)) == (2, 2)
    assert snapshot(world.to) == {}


def test_undo_keeps_a_changed_file_and_says_so(world: World) -> None:
    for name in ("a", "b", "c"):
        world.add(f"{name}.wav", f"{name}.wav".encode())
    rows = {row.old_path: row for row in world.organise()}
    edited, replaced = (world.to / rows[name].new_path for name in ("a.wav", "b.wav"))
    edited.write_bytes(b"edited")
    replaced.unlink()
    replaced.symlink_to(world.source / "b.wav")  # the same bytes, but no file that rmod placed
    result = undo_table(world.table)
    assert sorted(result.changed) == sorted(rows[name].new_path for name in ("a.wav", "b.wav"))
    assert result.removed == [rows["c.wav"].new_path]
    assert edited.read_bytes() == b"edited" and replaced.is_symlink() and not world.table.exists()


def test_undo_keeps_a_copy_whose_source_is_gone(world: World) -> None:
    for name in ("a", "b"):
        world.add(f"{name}.wav", f"{name}.wav".encode())
    rows = {row.old_path: row for row in world.organise()}
    (world.source / "a.wav").unlink()
    result = undo_table(world.table)
    assert [path for path, _ in result.failed] == [rows["a.wav"].new_path]
    assert (world.to / rows["a.wav"].new_path).read_bytes() == b"a.wav"
    assert result.removed == [rows["b.wav"].new_path] and world.table.exists()


@pytest.mark.parametrize("mode", ["link", "copy"])
def test_undo_keeps_a_link_to_something_else(world: World, mode: Mode) -> None:
    world.add("a.wav")
    (row,) = world.organise(mode)
    placed = world.to / row.new_path
    placed.unlink()
    placed.symlink_to("/dev/null")
    assert undo_table(world.table).changed == [row.new_path] and placed.is_symlink()


def test_undo_follows_no_link_out_of_the_tree(world: World, tmp_path: Path) -> None:
    world.add("a.wav")
    (row,) = world.organise()
    outside = tmp_path / "outside"
    folder = world.to / row.new_path.split("/")[0]
    shutil.move(folder, outside)
    folder.symlink_to(outside)
    before = snapshot(outside)
    result = undo_table(world.table)
    assert result.changed == [row.new_path] and not result.removed
    assert snapshot(outside) == before


def test_undo_takes_no_folder_that_holds_anything(world: World) -> None:
    world.add("a.wav")
    (row,) = world.organise()
    mine = (world.to / row.new_path).with_name("mine.txt")
    mine.write_text("mine")
    (world.to / "empty of mine").mkdir()
    undo_table(world.table)
    assert mine.read_text() == "mine" and (world.to / "empty of mine").is_dir()
    assert set(snapshot(world.to)) == {
        "empty of mine", *map(str, mine.relative_to(world.to).parents[:-1]), str(mine.relative_to(world.to))
    }  # fmt: skip


def test_a_dry_undo_changes_nothing(world: World) -> None:
    world.add("a.wav")
    (row,) = world.organise()
    before = snapshot(world.to)
    result = undo_table(world.table, dry_run=True)
    assert result.removed == [row.new_path] and snapshot(world.to) == before


def test_a_table_that_was_moved_away_from_its_tree_stays(world: World, tmp_path: Path) -> None:
    world.add("a.wav")
    world.organise()
    (tmp_path / "other").mkdir()
    moved = tmp_path / "other" / TABLE_NAME
    shutil.move(world.table, moved)
    result = undo_table(moved)
    assert result.keeps_table and len(result.gone) == 1 and moved.exists()


def test_undo_after_a_failure_can_be_given_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        world.add(f"{number}.wav", f"sound {number}")
    rows = world.organise()
    stubborn = world.to / rows[1].new_path
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path == stubborn:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        result = undo_table(world.table)
    assert result.failed == [(rows[1].new_path, "Permission denied")] and world.table.exists()
    again = undo_table(world.table)
    assert again.removed == [rows[1].new_path] and len(again.gone) == 2 and snapshot(world.to) == {}


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("new_path", "../outside.wav", "leaves the folder"),
        ("new_path", "/etc/passwd", "is absolute"),
        ("new_path", "a//b.wav", "without a name"),
        ("new_path", "./b.wav", "without a name"),
        ("new_path", "", "is empty"),
        ("sha256", "123", "is not 64 hexadecimal digits"),
        ("action", "removed", "is no action"),
    ],
)
def test_a_table_that_rmod_did_not_write_is_refused(world: World, column: str, value: str, found: str) -> None:
    world.add("a.wav")
    (row,) = world.organise()
    write_table(world.table, [change_row(row, **{column: value})])
    before = snapshot(world.to)
    with pytest.raises(ManifestError, match="line 2") as error:
        undo_table(world.table)
    assert found in error.value.found and snapshot(world.to) == before


def test_a_table_with_other_columns_is_refused(world: World) -> None:
    world.to.mkdir()
    world.table.write_text("path,kind\na.wav,kick\n")
    for action in (lambda: undo_table(world.table), world.organise):
        with pytest.raises(UsageError, match="was not written by"):
            action()
    assert world.table.read_text() == "path,kind\na.wav,kick\n"


@given(names=st.lists(NAMES, min_size=1, max_size=4), note=NAMES)
def test_a_table_survives_every_name(names: list[str], note: str) -> None:
    rows = [
        OrganisedFile(old_path=f"{name}.wav", action=SKIPPED + note, folder=f"/x/{name}", note=note) for name in names
    ]
    with TemporaryDirectory() as folder:
        write_table(Path(folder) / "t.csv", rows)
        assert read_table(Path(folder) / "t.csv") == rows


def test_a_half_copied_file_of_a_killed_run_is_removed(world: World) -> None:
    world.add("a.wav")
    world.organise()
    left = world.add_foreign("kick/.rmod-organise-0123456789abcdef.tmp")
    mine = world.add_foreign("kick/.rmod-organise-mine.tmp")
    remove_temporary_files(world.to)
    assert not left.exists() and mine.exists()


def test_one_run_works_in_a_tree_at_a_time(world: World) -> None:
    world.add("a.wav")
    world.organise()
    with lock_tree(world.to), pytest.raises(UsageError, match="another run works in it"):
        undo_table(world.table)
    with lock_tree(world.to):
        assert snapshot(world.to)
