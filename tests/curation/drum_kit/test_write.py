"""A kit replaces its own files, and never a file of somebody else."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from rmod_pipeline.curation.drum_kit import write
from rmod_pipeline.curation.drum_kit.results import DrumKit
from rmod_pipeline.curation.drum_kit.write import CSV_COLUMNS, check_kit_folder, read_kit, write_kit
from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.storage.publish import publish_bytes
from tests.curation.drum_kit.kit_sounds import make_kit_of

KIT = make_kit_of({"kick": 2, "snare": 1, "hihat_closed": 1})
SMALLER = make_kit_of({"kick": 1, "crash": 1})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_kit_has_all_its_files_and_its_json_has_their_checksums(tmp_path: Path) -> None:
    files = write_kit(KIT, tmp_path / "kit", "<!doctype html>")
    assert set(files) == {path.name for path in (tmp_path / "kit").iterdir()}
    assert set(files) == {
        *("kick.wav", "kick-2.wav", "snare.wav", "hihat_closed.wav", "drumkit.xml", "kit.sfz", "kit.csv"),
        *("library.csv", "kit.report.csv", "kit.json", "kit.html"),
    }
    listed = json.loads(files["kit.json"].read_bytes())["files"]
    digests = {name: [sha256(path.read_bytes()).hexdigest()] for name, path in files.items() if name != "kit.json"}
    assert listed == digests
    with files["kit.csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [sound.file for sound in KIT.sounds]
    assert tuple(rows[0]) == CSV_COLUMNS and rows[0]["midi_key"] == "36" and rows[0]["licence"] == "CC0-1.0"
    with files["kit.report.csv"].open(newline="") as file:
        assert list(csv.reader(file)) == [["path", "reason"], ["x.wav", "silent"]]


def test_another_kit_replaces_and_removes_the_files_of_the_earlier_one(tmp_path: Path) -> None:
    write_kit(KIT, tmp_path / "a")
    (tmp_path / "a" / "my notes.txt").write_text("keep")
    write_kit(SMALLER, tmp_path / "a")
    write_kit(SMALLER, tmp_path / "b")
    assert contents(tmp_path / "a").pop("my notes.txt") == b"keep"
    assert {n: c for n, c in contents(tmp_path / "a").items() if n != "my notes.txt"} == contents(tmp_path / "b")


@pytest.mark.parametrize(
    "name", ["kick.wav", "snare.wav", "kit.csv", "drumkit.xml", "kit.sfz", "library.csv", "kit.json"]
)
def test_a_file_that_no_kit_wrote_is_never_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    for attempt in (lambda: check_kit_folder(tmp_path, 1), lambda: write_kit(KIT, tmp_path)):
        with pytest.raises(UsageError, match="already exists"):
            attempt()
    assert contents(tmp_path) == {name: b"mine"}


@pytest.mark.parametrize("name", ["kick.wav", "kick-2.wav", "kit.csv", "drumkit.xml"])
def test_a_file_that_was_changed_is_never_replaced_or_removed(name: str, tmp_path: Path) -> None:
    write_kit(KIT, tmp_path)
    (tmp_path / name).write_bytes(b"edited")
    before = contents(tmp_path)
    for attempt in (lambda: check_kit_folder(tmp_path, 1), lambda: write_kit(SMALLER, tmp_path)):
        with pytest.raises(UsageError, match="was changed since the kit was made"):
            attempt()
    assert contents(tmp_path) == before


def test_a_json_that_lists_files_of_others_gives_no_right_to_them(tmp_path: Path) -> None:
    out = tmp_path / "kit"
    out.mkdir()
    outside = tmp_path / "precious.wav"
    outside.write_text("mine")
    digest = sha256(b"mine").hexdigest()
    (out / "notes.txt").write_text("mine")
    listed = {"../precious.wav": [digest], "notes.txt": [digest], str(outside): [digest]}
    (out / "kit.json").write_text(json.dumps({"rmod_kit": 1, "files": listed}))
    write_kit(KIT, out)
    assert outside.read_text() == "mine" and (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": 3}', '{"rmod_kit": 1}', '{"rmod_kit": 1, "files": []}', "\0"]
)
def test_another_json_in_the_place_of_the_kits_is_not_replaced(content: str, tmp_path: Path) -> None:
    (tmp_path / "kit.json").write_text(content)
    with pytest.raises(UsageError, match="was not written by rmod kit make"):
        check_kit_folder(tmp_path, 1)


def test_an_interrupted_run_leaves_files_that_the_next_one_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_kit(SMALLER, tmp_path)
    whole = publish_bytes
    written: list[Path] = []

    def interrupted(content: bytes, final: Path, drafts: Path) -> None:
        if len(written) == 4:
            raise KeyboardInterrupt
        written.append(final)
        whole(content, final, drafts)

    monkeypatch.setattr(write, "publish_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_kit(KIT, tmp_path)
    monkeypatch.undo()
    with pytest.raises(LibraryError, match="not the file of a finished kit"):
        read_kit(tmp_path)
    write_kit(KIT, tmp_path)
    write_kit(KIT, tmp_path / "fresh")
    fresh = contents(tmp_path / "fresh")
    assert {name: (tmp_path / name).read_bytes() for name in fresh} == fresh
    assert {path.name for path in tmp_path.iterdir()} == {*fresh, "fresh"}


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kit").touch()
    with pytest.raises(UsageError, match="is a file"):
        check_kit_folder(tmp_path / "kit", 1)


def test_a_kit_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_kit(KIT, tmp_path)
    stored = read_kit(tmp_path)
    assert stored.name == KIT.name and not stored.round_robin
    for pad in KIT.pads:
        expected = sorted((sound.low_velocity, sound.high_velocity, sound.file) for sound in KIT.sounds_of(pad))
        found = [(each.low_velocity, each.high_velocity, each.path.name) for each in stored.sounds_of(pad.name)]
        assert found == expected
    assert read_kit_of(replace(KIT, round_robin=True), tmp_path / "turns").round_robin


def read_kit_of(kit: DrumKit, folder: Path) -> write.StoredKit:
    write_kit(kit, folder)
    return read_kit(folder)


def test_a_folder_without_a_kit_and_a_damaged_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        read_kit(tmp_path / "none")
    with pytest.raises(UsageError, match="holds no kit"):
        read_kit(tmp_path)
    files = write_kit(KIT, tmp_path / "kit")
    content = json.loads(files["kit.json"].read_bytes())
    content["sounds"][0]["file"] = "../../etc/passwd"
    files["kit.json"].write_text(json.dumps(content))
    with pytest.raises(LibraryError, match="not the file of a finished kit"):
        read_kit(tmp_path / "kit")


def test_a_folder_with_other_files_is_no_place_for_a_kit(tmp_path: Path) -> None:
    check_kit_folder(tmp_path, 1)
    (tmp_path / "my sample.wav").write_bytes(b"mine")
    with pytest.raises(UsageError, match="other files"):
        check_kit_folder(tmp_path, 1)
    check_kit_folder(tmp_path / "new", 1)
