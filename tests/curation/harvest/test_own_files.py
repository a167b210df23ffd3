"""What a harvest wrote, and what somebody changed or added: the one is replaced, the other never."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.curation.harvest import harvest as story
from rmod_pipeline.curation.harvest import output, own_files
from rmod_pipeline.curation.harvest.harvest import harvest_songs
from rmod_pipeline.curation.harvest.output import write_sounds
from rmod_pipeline.curation.harvest.own_files import MANIFEST, MARKER, SOUNDS, TABLES, write_own_file
from rmod_pipeline.curation.harvest.results import Harvest, HarvestConfig
from rmod_pipeline.curation.harvest.store import WORK_FOLDER
from rmod_pipeline.errors import UsageError
from rmod_pipeline.storage.publish import publish_bytes
from tests.curation.harvest.drum_songs import FakeChoice
from tests.curation.harvest.harvest_runs import contents, run


def test_a_file_that_somebody_changed_or_added_is_not_overwritten(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    first = run(songs, out, per_cluster=1)
    more = run(songs, tmp_path / "more", per_cluster=2)
    new = next(sound.file for sound in more.sounds if not (out / sound.file).exists())
    (out / new).write_bytes(b"mine")
    with pytest.raises(UsageError, match="no harvest wrote it"):
        run(songs, out, per_cluster=2)
    assert (out / new).read_bytes() == b"mine"
    (out / new).unlink()
    changed = out / first.sounds[0].file
    changed.write_bytes(b"changed")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out, per_cluster=2)
    assert changed.read_bytes() == b"changed"


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_somebody_changed_is_not_overwritten(table: str, songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    run(songs, out)
    (out / table).write_text("mine")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out)
    assert (out / table).read_text() == "mine"


@pytest.mark.parametrize("changed", ["", *TABLES])
def test_a_harvest_stopped_among_its_tables_resumes_unless_somebody_changed_one(
    changed: str, songs: Path, done: tuple[Path, Harvest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "hits"
    run(songs, out, per_cluster=1)

    def stop(*_: Any, **__: Any) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(story, "write_harvest_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    if changed:
        (out / changed).write_text("mine")
        with pytest.raises(UsageError, match="was changed since"):
            run(songs, out)
        assert (out / changed).read_text() == "mine"
        return
    with (out / WORK_FOLDER / "written.txt").open("a") as notes:
        notes.write("0123 half of a li")
    with monkeypatch.context() as patch:
        patch.setattr(story, "write_harvest_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out)
    run(songs, out)
    assert contents(out) == contents(done[0])


def test_a_manifest_that_no_harvest_wrote_is_neither_removed_nor_overwritten(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    harvest_songs([songs], out, HarvestConfig())
    assert not (out / MANIFEST).exists(), "no kind is known"
    (out / MANIFEST).write_text("mine")
    for classifier in (None, FakeChoice()):
        with pytest.raises(UsageError, match="not known to be written by a harvest"):
            harvest_songs([songs], out, HarvestConfig(), classifier=classifier)
    assert (out / MANIFEST).read_text() == "mine"


def test_notes_of_a_finished_harvest_count_for_nothing(songs: Path, tmp_path: Path) -> None:
    """A process was killed after it had written the marker and before it removed its notes."""
    out = tmp_path / "hits"
    run(songs, out)
    (out / SOUNDS).write_bytes(b"mine")
    (out / WORK_FOLDER / "written.txt").write_text(f"{sha256(b'mine').hexdigest()} {SOUNDS}\n")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out)


@pytest.mark.parametrize("moment", ["before", "during", "after"])
def test_a_sound_that_was_changed_after_a_stop_is_not_overwritten(
    moment: str, songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes before the sound is written again, when it is noted but not written, or after it is written."""
    out = tmp_path / "hits"
    first = run(songs, out)
    sound = out / first.sounds[0].file
    as_first = sound.read_bytes()

    def stop_there(*arguments: Any) -> Iterator[Any]:
        for written in write_sounds(*arguments):
            if moment == "after" and written.sound.file == first.sounds[0].file:
                raise KeyboardInterrupt
            yield written

    def stop_at_sound(data: bytes, final: Path, drafts: Path) -> None:
        if final == sound and moment == "during":
            raise KeyboardInterrupt
        publish_bytes(data, final, drafts)

    def stop_at_note(out: Path, name: str, data: bytes) -> str:
        if name == first.sounds[0].file and moment == "before":
            raise KeyboardInterrupt
        return write_own_file(out, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(story, "write_sounds", stop_there)
        patch.setattr(own_files, "publish_bytes", stop_at_sound)
        patch.setattr(output, "write_own_file", stop_at_note)
        with pytest.raises(KeyboardInterrupt):
            run(songs, out, peak_db=-6.0)
    assert (sound.read_bytes() == as_first) == (moment != "after")
    stopped_with = sound.read_bytes()
    sound.write_bytes(b"mine")
    with pytest.raises(UsageError, match="was changed since"):
        run(songs, out, peak_db=-6.0)
    assert sound.read_bytes() == b"mine"
    sound.write_bytes(stopped_with)
    run(songs, out, peak_db=-6.0)
    run(songs, tmp_path / "whole", peak_db=-6.0)
    assert contents(out) == contents(tmp_path / "whole")


def test_a_marker_that_lists_foreign_files_removes_none(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "hits"
    out.mkdir()
    (tmp_path / "kick").mkdir()
    foreign = tmp_path / "kick" / "x.wav"
    foreign.write_bytes(b"mine")
    (out / "mine.wav").write_bytes(b"mine")
    listed = {"../kick/x.wav": "", "mine.wav": "", str(foreign): ""}
    (out / MARKER).write_text(json.dumps({"rmod_harvest": 1, "files": listed}))
    run(songs, out)
    assert foreign.read_bytes() == b"mine"
    assert (out / "mine.wav").read_bytes() == b"mine"


def test_a_folder_of_something_else_is_refused(songs: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt, and no harvest"):
        run(songs, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(UsageError, match="a folder is needed"):
        run(songs, tmp_path / "notes.txt")
