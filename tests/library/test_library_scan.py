"""Scans: every file is kept or dropped with a reason, copies are grouped, and labels override names."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rmod_pipeline.errors import LibraryError, ManifestError, UsageError
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.scanning import formats
from rmod_pipeline.library.scanning import scan as scan_module
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.measure import MeasureTask, UnusableFile, measure_batch, measure_file
from rmod_pipeline.library.scanning.report import write_scan
from rmod_pipeline.library.scanning.scan import ScanConfig, scan_folder
from rmod_pipeline.library.scanning.walk import find_audio_files
from tests.library.library_sounds import RATE, encode, hit, make_kits, write_sound
from tests.library.scan_helpers import CONFIG, SHARES, drop_reasons, scan


def test_every_unusable_file_is_dropped_with_a_reason(tmp_path: Path) -> None:
    make_kits(tmp_path)
    kick = tmp_path / "kick"
    write_sound(kick / "none.wav", np.zeros((1, 0), np.float32))
    write_sound(kick / "one.wav", np.full((1, 1), 0.5, np.float32))
    write_sound(kick / "silent.wav", np.zeros((1, 5000), np.float32))
    write_sound(kick / "constant.wav", np.full((1, 5000), 0.5, np.float32))
    write_sound(kick / "long.wav", np.tile(hit(1, 1.0), 11))
    write_sound(tmp_path / "bass" / "long enough.wav", np.tile(hit(1, 1.0), 11))
    with_nan = hit(2)
    with_nan[0, 7] = np.nan
    write_sound(kick / "nan.wav", with_nan, subtype="FLOAT")
    (kick / "text.wav").write_text("no sound")
    (kick / "empty.flac").touch()
    (kick / "cut.flac").write_bytes(encode(hit(3, 1.0), file_format="FLAC")[:9000])
    os.mkfifo(kick / "pipe.wav")
    write_sound(tmp_path / "things" / "b.wav", hit(4))
    write_sound(kick / "._a.wav", hit(5))
    write_sound(kick / ".hidden" / "a.wav", hit(5))
    write_sound(kick / "__MACOSX" / "a.wav", hit(5))
    (kick / "readme.txt").write_text("hello")
    result = scan(tmp_path)
    reasons = drop_reasons(result)
    expected = {
        "kick/none.wav": "0 frames",
        "kick/one.wav": "too short",
        "kick/silent.wav": "silent",
        "kick/constant.wav": "silent",
        "kick/long.wav": "too long",
        "kick/nan.wav": "NaN",
        "kick/text.wav": "not readable",
        "kick/empty.flac": "an empty file",
        "kick/cut.flac": "",
        "kick/pipe.wav": "not a regular file",
        "things/b.wav": "kind unknown: use --labels, or --listen",
    }
    assert reasons.keys() == expected.keys()
    for path, reason in expected.items():
        assert reasons[path].startswith(reason), path
    hidden = [(files.suffix, files.count) for files in result.ignored_files if files.reason == "hidden"]
    assert hidden == [("folder", 2), (".wav", 1)]
    assert result.ignored == 1 + 3
    assert Counter(row.kind for row in result.assets) == {"kick": 12, "snare": 12, "bass": 1}


NAMES = ["with space.wav", "ünï çødé.wav", "日本.wav", "quo\"te's.wav", "new\nline.wav", "cr\rhere.wav", "a,b;c\t.wav"]


def test_files_with_odd_names_can_be_read(tmp_path: Path) -> None:
    for number, name in enumerate([*NAMES, "Kick.wav", "kick.WAV", "kick-.wav", "=cmd.wav"]):
        write_sound(tmp_path / "kick" / name, hit(number, 0.1), format="WAV")
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    library = load_library(tmp_path / "m.csv")
    assert {Path(row.path).name for row in library.assets} >= set(NAMES)
    assert len({row.id for row in library.assets}) == len(NAMES) + 4
    store = AudioStore(library)
    assert all(store.read(row.id).shape[1] > 0 for row in library.assets)
    assert not list(find_problems(library))


def test_a_name_that_is_not_utf_8_is_dropped(tmp_path: Path) -> None:
    make_kits(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/kick\xff.wav")).write_bytes(encode(hit(1)))
    result = scan(tmp_path)
    write_scan(result, tmp_path / "m.csv", SHARES)
    assert [file.reason for file in result.dropped] == ["the name is not UTF-8: rename it"]


def test_links_are_used_only_for_files_inside_the_folder(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = write_sound(tmp_path_factory.mktemp("outside") / "kick.wav", hit(99))
    make_kits(tmp_path)
    (tmp_path / "kick out.wav").symlink_to(outside)
    (tmp_path / "kick twice.wav").symlink_to("kit 0/kick/0.wav")
    (tmp_path / "kick gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "kick self.wav").symlink_to("kick self.wav")
    (tmp_path / "circle").symlink_to(".")
    write_sound(tmp_path / ".store" / "a1b2", hit(77), format="WAV")
    (tmp_path / "kick stored.wav").symlink_to(".store/a1b2")
    result = scan(tmp_path)
    assert drop_reasons(result) == {
        "circle": "a link to a folder is not followed",
        "kick gone.wav": "a link to nothing",
        "kick out.wav": "a link that leaves the folder: copy the file here",
        "kick self.wav": "a link to nothing",
        "kick twice.wav": "a link to a file that is read itself",
    }
    assert "kick stored.wav" in {row.path for row in result.assets}
    write_manifest(tmp_path / "m.csv", result.assets)
    assert len(load_library(tmp_path / "m.csv").assets) == 25


def test_an_unreadable_subfolder_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path)
    original = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "kit 3":
            raise PermissionError(13, "Permission denied")
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    result = scan(tmp_path)
    assert drop_reasons(result) == {"kit 3": "folder cannot be read: Permission denied"}
    assert len(result.assets) == 20


def test_a_file_that_vanishes_during_the_scan_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path)
    original = find_audio_files

    def find_and_delete(folder: Path, root: Path) -> object:
        contents = original(folder, root)
        (tmp_path / "kit 0" / "kick" / "0.wav").unlink()
        return contents

    monkeypatch.setattr(scan_module, "find_audio_files", find_and_delete)
    assert drop_reasons(scan(tmp_path)) == {"kit 0/kick/0.wav": "cannot be read: No such file or directory"}


@pytest.mark.parametrize("existing", ["nothing", "a folder", "a file"])
def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, existing: str) -> None:
    if existing == "a folder":
        (tmp_path / "x").mkdir()
    elif existing == "a file":
        (tmp_path / "x").touch()
    for manifest in (tmp_path / "m.csv", tmp_path / "x" / "m.csv", tmp_path.parent / "y" / "m.csv"):
        with pytest.raises((UsageError, LibraryError)) as caught:
            scan_folder(tmp_path / "x", manifest, CONFIG)
        assert caught.value.hint
    assert "no such folder" in caught.value.found or existing != "nothing"


def test_a_measurement_never_raises(tmp_path: Path) -> None:
    for name in ("gone.wav", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (result,) = measure_batch([MeasureTask(tmp_path / name, 10)])
        assert isinstance(result, UnusableFile) and not result.lasting
    write_sound(tmp_path / "long.wav", hit(1, 1.0), RATE)
    (result,) = measure_batch([MeasureTask(tmp_path / "long.wav", 0.5)])
    assert isinstance(result, UnusableFile) and not result.lasting


def test_copies_are_one_group_in_any_format(tmp_path: Path) -> None:
    make_kits(tmp_path)
    audio = hit(50, 0.3)
    write_sound(tmp_path / "kit 0" / "kick" / "a.wav", audio)
    write_sound(
        tmp_path / "kit 1" / "kick" / "b.flac", soundfile.read(tmp_path / "kit 0/kick/a.wav", dtype="float32")[0][None]
    )
    write_sound(tmp_path / "kit 2" / "snare" / "c.wav", 0.3 * audio, subtype="PCM_24")
    result = scan(tmp_path)
    assert result.copies == [["kit 0/kick/a.wav", "kit 1/kick/b.flac", "kit 2/snare/c.wav"]]
    rows = {row.path: row for row in result.assets}
    assert len({rows[path].group for path in result.copies[0]}) == 1
    assert len({rows[path].split for path in result.copies[0]}) == 1


def test_labels_override_names(tmp_path: Path) -> None:
    make_kits(tmp_path / "sounds", kits=2)
    (tmp_path / "labels.csv").write_text(
        "path,kind,kit,licence,licence_as_found,source\n"
        "sounds/kit 0/kick/0.wav,tom,Toms,MIT,mit,me\n"
        "sounds/kit 0/kick/1.wav,,,,,\n"
        "sounds/nothing.wav,kick,,,,\n"
        "elsewhere/kick.wav,kick,,,,\n"
    )
    labels = Labels.read(tmp_path / "labels.csv")
    config = ScanConfig(shares=SHARES, licence="CC0-1.0")
    result = scan_folder(tmp_path / "sounds", tmp_path / "m.csv", config, labels=labels)
    rows = {row.path: row for row in result.assets}
    labelled, guessed, empty = (rows[f"sounds/{name}.wav"] for name in ("kit 0/kick/0", "kit 1/kick/0", "kit 0/kick/1"))
    assert (labelled.kind, labelled.kit, labelled.licence, labelled.source) == ("tom", "Toms", "MIT", "me")
    assert (guessed.kind, guessed.kit, guessed.licence) == ("kick", "kit 1", "CC0-1.0")
    assert (empty.kind, empty.kit, empty.licence) == ("kick", "", "CC0-1.0")
    assert [warning for warning in result.warnings if "nothing.wav" in warning and "1 labelled" in warning]


def test_labels_whose_paths_match_no_file_are_refused(tmp_path: Path) -> None:
    """Otherwise kinds and licences would silently come from names."""
    make_kits(tmp_path / "sounds", kits=1)
    (tmp_path / "sounds" / "labels.csv").write_text(
        "path,kind,kit,licence,source\nsounds/kit 0/kick/0.wav,kick,A,MIT,me\n"
    )
    labels = Labels.read(tmp_path / "sounds" / "labels.csv")
    with pytest.raises(ManifestError, match=r"names no sound in .*sounds/sounds/kit 0/kick/0\.wav"):
        scan(tmp_path / "sounds", labels=labels)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("/a.wav,kick,,,", "column path: '/a.wav' is absolute"),
        ("../a.wav,kick,,,", "leaves the folder"),
        ("a.wav,kick drum,,,", "column kind: 'kick drum' is no kind"),
        ("a.wav,Tom-Low,,,", "write tom or tom_low: a kind has small letters"),
        ("a.wav,8bit,,,", "write a word such as kick or open_hihat: a kind has small letters"),
        ("a.wav,kick,,", "4 cells"),
        ("b.wav,kick,,,", "line 2 already"),
    ],
)
def test_an_invalid_label_is_refused_with_its_line(tmp_path: Path, row: str, found: str) -> None:
    (tmp_path / "labels.csv").write_text(f"path,kind,kit,licence,source\nb.wav,snare,,,\n{row}\n")
    with pytest.raises(ManifestError, match="line 3") as caught:
        Labels.read(tmp_path / "labels.csv")
    assert found in str(caught.value)


def test_another_spelling_of_a_kind_is_a_warning(tmp_path: Path) -> None:
    make_kits(tmp_path / "sounds", kits=1)
    (tmp_path / "labels.csv").write_text("path,kind,kit,licence,source\nsounds/kit 0/kick/0.wav,kicks,,,\n")
    result = scan_folder(tmp_path / "sounds", tmp_path / "m.csv", CONFIG, labels=Labels.read(tmp_path / "labels.csv"))
    assert [warning for warning in result.warnings if warning.endswith("which recipes call kick -> write kick")]


def test_names_that_no_manifest_could_hold_are_dropped(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=1)
    write_sound(tmp_path / "C:" / "kick.wav", hit(50))
    write_sound(tmp_path / "kick" / "a.wav", hit(51)).rename(tmp_path / "kick" / "\udcff.wav")
    reasons = set(drop_reasons(scan(tmp_path)).values())
    assert reasons == {"the name is absolute: rename it", "the name is not UTF-8: rename it"}


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        find_audio_files(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("result", "reason"), [(None, "the decoder crashed on it"), (10.01, "too long: 10.0 s, at most 10 s")]
)
def test_a_sound_of_no_measurement_and_one_that_was_measured_as_a_loop_are_dropped(
    result: float | None, reason: str, tmp_path: Path
) -> None:
    """Whatever crashes a worker; and a loop whose labels have since changed to a drum."""
    path = write_sound(tmp_path / "a.wav", np.tile(hit(1, 1.001), 10))
    measured = result and measure_file(MeasureTask(path=path, max_seconds=600))
    assert scan_module.find_drop_reason(measured or None, 10) == reason


@pytest.mark.parametrize("header", ["fffbf000", "fffb0000", "fffb9c00", "ffeb9000"])
def test_no_frame_of_an_mp3_has_a_reserved_value(header: str) -> None:
    assert formats._mp3_frame_length(bytes.fromhex("fffb9000")) == 417
    assert formats._mp3_frame_length(bytes.fromhex(header)) == 0


def test_a_file_that_cannot_be_opened_is_skipped_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert formats.find_reason_to_skip(tmp_path / "loop").startswith("cannot be read: Too many levels")
