"""The scan: nothing stops it, every file is kept or dropped with a reason, and it says the same in any order."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from rmod_pipeline.errors import LibraryError, ManifestError, UsageError
from rmod_pipeline.library.manifest import load_library, write_manifest
from rmod_pipeline.library.process_pool import map_batches
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.scanning import scan as scan_module
from rmod_pipeline.library.scanning.cache import ScanCache
from rmod_pipeline.library.scanning.check import check_library
from rmod_pipeline.library.scanning.labels import Labels
from rmod_pipeline.library.scanning.measure import MeasureTask, UnusableFile, measure_batch
from rmod_pipeline.library.scanning.previous import Previous
from rmod_pipeline.library.scanning.report import refuse_overwriting, report_path, write_scan
from rmod_pipeline.library.scanning.scan import Scan, ScanRules, scan_folder
from rmod_pipeline.library.splits import parse_shares
from tests.library.library_sounds import RATE, encoded, hit, make_kits, put

SHARES = parse_shares("80/10/10")
RULES = ScanRules(shares=SHARES)


def scan(folder: Path, rules: ScanRules = RULES, **options: object) -> Scan:
    return scan_folder(folder, folder / "m.csv", rules, **options)  # type: ignore[arg-type]


def reasons(found: Scan) -> dict[str, str]:
    return {drop.path: drop.reason for drop in found.dropped}


def test_a_messy_folder(tmp_path: Path) -> None:
    make_kits(tmp_path)
    kick = tmp_path / "kick"
    put(kick / "none.wav", np.zeros((1, 0), np.float32))
    put(kick / "one.wav", np.full((1, 1), 0.5, np.float32))
    put(kick / "silent.wav", np.zeros((1, 5000), np.float32))
    put(kick / "constant.wav", np.full((1, 5000), 0.5, np.float32))
    put(kick / "long.wav", np.tile(hit(1, 1.0), 11))
    put(tmp_path / "bass" / "long enough.wav", np.tile(hit(1, 1.0), 11))
    bad = hit(2)
    bad[0, 7] = np.nan
    put(kick / "nan.wav", bad, subtype="FLOAT")
    (kick / "text.wav").write_text("no sound")
    (kick / "empty.flac").touch()
    (kick / "cut.flac").write_bytes(encoded(hit(3, 1.0), file_format="FLAC")[:9000])
    os.mkfifo(kick / "pipe.wav")
    put(tmp_path / "things" / "b.wav", hit(4))
    put(kick / "._a.wav", hit(5))
    put(kick / ".hidden" / "a.wav", hit(5))
    put(kick / "__MACOSX" / "a.wav", hit(5))
    (kick / "readme.txt").write_text("hello")
    found = scan(tmp_path)
    said = reasons(found)
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
        "kick/pipe.wav": "not an ordinary file",
        "things/b.wav": "kind unknown: use --labels",
    }
    assert said.keys() == expected.keys()
    for path, reason in expected.items():
        assert said[path].startswith(reason), path
    assert found.ignored == 1
    assert Counter(row.kind for row in found.assets) == {"kick": 12, "snare": 12, "bass": 1}


NAMES = ["with space.wav", "ünï çødé.wav", "日本.wav", "quo\"te's.wav", "new\nline.wav", "cr\rhere.wav", "a,b;c\t.wav"]


def test_odd_names_reach_the_build(tmp_path: Path) -> None:
    for number, name in enumerate([*NAMES, "Kick.wav", "kick.WAV", "kick-.wav", "=cmd.wav"]):
        put(tmp_path / "kick" / name, hit(number, 0.1), format="WAV")
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    library = load_library(tmp_path / "m.csv")
    assert {Path(row.path).name for row in library.assets} >= set(NAMES)
    assert len({row.id for row in library.assets}) == len(NAMES) + 4
    store = AudioStore(library)
    assert all(store.read(row.id).shape[1] > 0 for row in library.assets)
    assert not list(check_library(library))


def test_a_name_that_is_not_utf_8_is_dropped(tmp_path: Path) -> None:
    make_kits(tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/kick\xff.wav")).write_bytes(encoded(hit(1)))
    found = scan(tmp_path)
    write_scan(found, tmp_path / "m.csv", SHARES)
    assert [drop.reason for drop in found.dropped] == ["the name is not UTF-8: rename it"]


def test_links(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = put(tmp_path_factory.mktemp("outside") / "kick.wav", hit(99))
    make_kits(tmp_path)
    (tmp_path / "kick out.wav").symlink_to(outside)
    (tmp_path / "kick twice.wav").symlink_to("kit 0/kick/0.wav")
    (tmp_path / "kick gone.wav").symlink_to("nowhere.wav")
    (tmp_path / "kick self.wav").symlink_to("kick self.wav")
    (tmp_path / "circle").symlink_to(".")
    put(tmp_path / ".store" / "a1b2", hit(77), format="WAV")
    (tmp_path / "kick stored.wav").symlink_to(".store/a1b2")
    found = scan(tmp_path)
    assert reasons(found) == {
        "circle": "a link to a folder is not followed",
        "kick gone.wav": "a link to nothing",
        "kick out.wav": "a link that leaves the folder: copy the file here",
        "kick self.wav": "a link to nothing",
        "kick twice.wav": "a link to a file that is read itself",
    }
    assert "kick stored.wav" in {row.path for row in found.assets}
    write_manifest(tmp_path / "m.csv", found.assets)
    assert len(load_library(tmp_path / "m.csv").assets) == 25


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path)
    real = os.scandir

    def scandir(path: Path) -> object:
        if Path(path).name == "kit 3":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = scan(tmp_path)
    assert reasons(found) == {"kit 3": "folder cannot be read: Permission denied"}
    assert len(found.assets) == 20


def test_a_file_that_vanishes_during_the_scan_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path)
    real = scan_module.find_audio

    def find(folder: Path, root: Path) -> object:
        found = real(folder, root)
        (tmp_path / "kit 0" / "kick" / "0.wav").unlink()
        return found

    monkeypatch.setattr(scan_module, "find_audio", find)
    assert reasons(scan(tmp_path)) == {"kit 0/kick/0.wav": "cannot be read: No such file or directory"}


@pytest.mark.parametrize("make", ["nothing", "a folder", "a file"])
def test_no_folder_and_an_empty_one(tmp_path: Path, make: str) -> None:
    if make == "a folder":
        (tmp_path / "x").mkdir()
    elif make == "a file":
        (tmp_path / "x").touch()
    for manifest in (tmp_path / "m.csv", tmp_path / "x" / "m.csv", tmp_path.parent / "y" / "m.csv"):
        with pytest.raises((UsageError, LibraryError)) as caught:
            scan_folder(tmp_path / "x", manifest, RULES)
        assert caught.value.hint
    assert "no such folder" in caught.value.found or make != "nothing"


def test_copies_are_one_group_in_any_format(tmp_path: Path) -> None:
    make_kits(tmp_path)
    audio = hit(50, 0.3)
    put(tmp_path / "kit 0" / "kick" / "a.wav", audio)
    put(tmp_path / "kit 1" / "kick" / "b.flac", soundfile.read(tmp_path / "kit 0/kick/a.wav", dtype="float32")[0][None])
    put(tmp_path / "kit 2" / "snare" / "c.wav", 0.3 * audio, subtype="PCM_24")
    found = scan(tmp_path)
    assert found.copies == [["kit 0/kick/a.wav", "kit 1/kick/b.flac", "kit 2/snare/c.wav"]]
    rows = {row.path: row for row in found.assets}
    assert len({rows[path].group for path in found.copies[0]}) == 1
    assert len({rows[path].split for path in found.copies[0]}) == 1


def test_labels_know_better(tmp_path: Path) -> None:
    make_kits(tmp_path / "sounds", kits=2)
    (tmp_path / "labels.csv").write_text(
        "path,kind,kit,licence,licence_as_found,source\n"
        "sounds/kit 0/kick/0.wav,tom,Toms,MIT,mit,me\n"
        "sounds/kit 0/kick/1.wav,,,,,\n"
        "sounds/nothing.wav,kick,,,,\n"
        "elsewhere/kick.wav,kick,,,,\n"
    )
    labels = Labels.read(tmp_path / "labels.csv")
    rules = ScanRules(shares=SHARES, licence="CC0-1.0")
    found = scan_folder(tmp_path / "sounds", tmp_path / "m.csv", rules, labels=labels)
    rows = {row.path: row for row in found.assets}
    told, guessed, empty = (rows[f"sounds/{name}.wav"] for name in ("kit 0/kick/0", "kit 1/kick/0", "kit 0/kick/1"))
    assert (told.kind, told.kit, told.licence, told.source) == ("tom", "Toms", "MIT", "me")
    assert (guessed.kind, guessed.kit, guessed.licence) == ("kick", "kit 1", "CC0-1.0")
    assert (empty.kind, empty.kit, empty.licence) == ("kick", "", "CC0-1.0")
    assert [warning for warning in found.warnings if "nothing.wav" in warning and "1 labelled" in warning]


def test_labels_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    """Else kinds and licences would silently be those of the names."""
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
        ("a.wav,Tom-Low,,,", "write tom_low: a kind has small letters"),
        ("a.wav,8bit,,,", "write a word such as kick or open_hihat: a kind has small letters"),
        ("a.wav,kick,,", "4 cells"),
        ("b.wav,kick,,,", "line 2 already"),
    ],
)
def test_a_bad_label_is_named(tmp_path: Path, row: str, found: str) -> None:
    (tmp_path / "labels.csv").write_text(f"path,kind,kit,licence,source\nb.wav,snare,,,\n{row}\n")
    with pytest.raises(ManifestError, match="line 3") as caught:
        Labels.read(tmp_path / "labels.csv")
    assert found in str(caught.value)


def test_a_second_scan_keeps_splits_and_ids(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, each=1)
    first = scan(tmp_path)
    write_manifest(tmp_path / "m.csv", first.assets)
    before = {row.path: row for row in first.assets}
    test_row = next(row for row in first.assets if row.split == "test" and row.kind == "kick")
    audio, rate = soundfile.read(tmp_path / test_row.path, dtype="float32")
    put(tmp_path / "new" / "kick" / "copy.wav", 0.5 * audio[None], rate)
    for number in range(15):
        put(tmp_path / f"new {number}" / "kick" / "a.wav", hit(500 + number, 0.1))
    after = {row.path: row for row in scan(tmp_path, previous=Previous.read(tmp_path / "m.csv")).assets}
    assert len(after) == len(before) + 16
    assert all((after[path].split, after[path].id) == (row.split, row.id) for path, row in before.items())
    assert after["new/kick/copy.wav"].split == "test"
    assert after["new/kick/copy.wav"].group == after[test_row.path].group


def test_a_moved_file_keeps_its_split(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, each=1)
    first = scan(tmp_path)
    write_manifest(tmp_path / "m.csv", first.assets)
    row = next(row for row in first.assets if row.split == "valid")
    (tmp_path / "moved" / row.kind).mkdir(parents=True)
    (tmp_path / row.path).rename(tmp_path / "moved" / row.kind / "m.wav")
    after = {row.path: row for row in scan(tmp_path, previous=Previous.read(tmp_path / "m.csv")).assets}
    assert after[f"moved/{row.kind}/m.wav"].split == "valid"


def test_a_group_torn_by_the_past_is_named_and_left(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, each=1)
    rows = scan(tmp_path).assets
    kit = [row.path for row in rows if row.kit == "kit 3"]
    edited = [asset_on(row, "test" if row.path == kit[0] else "train") if row.path in kit else row for row in rows]
    write_manifest(tmp_path / "m.csv", edited)
    found = scan(tmp_path, previous=Previous.read(tmp_path / "m.csv"))
    after = {row.path: row.split for row in found.assets}
    assert after == {row.path: row.split for row in edited}
    assert any("two sides" in warning for warning in found.warnings)
    write_manifest(tmp_path / "m.csv", found.assets)
    assert not list(check_library(load_library(tmp_path / "m.csv")))


def asset_on(row: object, split: str) -> object:
    from dataclasses import replace

    return replace(row, split=split)  # type: ignore[type-var]


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path / "s")
    (tmp_path / "s" / "kick.wav").write_text("text")
    read: list[Path] = []

    def counted(tasks: list[MeasureTask]) -> object:
        read.extend(task.path for task in tasks)
        return measure_batch(tasks)

    monkeypatch.setattr(scan_module, "measure_batch", counted)
    results = []
    for _ in range(2):
        cache = ScanCache(tmp_path / "cache" / "scan.sqlite")
        results.append(scan(tmp_path / "s", cache=cache))
        cache.close()
    assert results[0] == results[1] and len(read) == 25
    put(tmp_path / "s" / "kit 0" / "kick" / "0.wav", hit(1234, 0.2))
    cache = ScanCache(tmp_path / "cache" / "scan.sqlite")
    changed = scan(tmp_path / "s", cache=cache)
    assert len(read) == 26 and changed.assets != results[0].assets


def test_an_interrupted_scan_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_kits(tmp_path / "s", kits=10)
    batches: list[int] = []

    def interrupted(tasks: list[MeasureTask]) -> object:
        batches.append(len(tasks))
        if len(batches) == 2:
            raise KeyboardInterrupt
        return measure_batch(tasks)

    monkeypatch.setattr(scan_module, "measure_batch", interrupted)
    cache = ScanCache(tmp_path / "scan.sqlite")
    with pytest.raises(KeyboardInterrupt):
        scan(tmp_path / "s", cache=cache)
    cache.close()
    found = scan(tmp_path / "s", cache=ScanCache(tmp_path / "scan.sqlite"))
    # Sixteen were done, sixteen were under way; what is done now is all but the first sixteen.
    assert batches == [16, 16, 16, 8] and len(found.assets) == 40


@pytest.mark.parametrize("content", [b"this is no database" * 100, b""])
def test_a_broken_cache_stops_nothing(tmp_path: Path, content: bytes) -> None:
    make_kits(tmp_path / "s", kits=2)
    (tmp_path / "scan.sqlite").write_bytes(content)
    cache = ScanCache(tmp_path / "scan.sqlite")
    assert len(scan(tmp_path / "s", cache=cache).assets) == 8
    cache.close()
    assert len(scan(tmp_path / "s", cache=ScanCache(tmp_path / "scan.sqlite" / "no")).assets) == 8


def test_workers_change_nothing(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=17)
    assert scan(tmp_path) == scan(tmp_path, ScanRules(shares=SHARES, workers=2))


def deadly(jobs: list[int]) -> list[int]:
    if 77 in jobs:
        os._exit(1)
    return [2 * job for job in jobs]


def test_a_job_that_kills_its_process_costs_only_itself() -> None:
    answers = dict(map_batches(deadly, range(100), 2, 100))
    assert answers == {job: None if job == 77 else 2 * job for job in range(100)}


def test_the_report_says_it_all(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=1)
    (tmp_path / "kick.wav").write_text("text")
    for name in "abc":
        put(tmp_path / "snare" / f"{name}.wav", hit(500))
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    text = report_path(tmp_path / "m.csv").read_text()
    assert "dropped,,kick.wav,not readable" in text
    assert text.count("copies,1,snare/") == 3
    assert "warning" in text and "test has no kick" in text


def test_a_split_well_off_what_was_asked_is_a_warning(tmp_path: Path) -> None:
    for kit, size in (("a", 8), ("b", 8), ("c", 1)):
        for number in range(size):
            put(tmp_path / kit / "kick" / f"{number}.wav", hit(100 * ord(kit) + number))
    (warning,) = scan(tmp_path).warnings
    assert warning.startswith(
        "kick is split 47/47/6 percent where 80/10/10 was asked: too few kits to cut finer: 3, the largest"
    )


def test_a_library_of_nothing_but_dross_is_refused_with_its_report(tmp_path: Path) -> None:
    (tmp_path / "kick.wav").write_text("text")
    with pytest.raises(LibraryError, match="no file can be used"):
        write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    assert report_path(tmp_path / "m.csv").exists() and not (tmp_path / "m.csv").exists()


def test_nothing_else_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,kind,kit,licence,source\na.wav,kick,,,\n")
    with pytest.raises(UsageError, match="not made by a scan"):
        refuse_overwriting(tmp_path / "labels.csv")
    for name in ("m.txt", "m", "m.report.csv"):
        with pytest.raises(UsageError, match="not a name"):
            refuse_overwriting(tmp_path / name)
    with pytest.raises(UsageError, match="does not exist"):
        refuse_overwriting(tmp_path / "none" / "m.csv")


def test_check_finds_what_has_changed(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, each=1)
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    library = load_library(tmp_path / "m.csv")
    assert not list(check_library(library))
    (tmp_path / library.assets[0].path).unlink()
    put(tmp_path / library.assets[1].path, hit(999))
    found = list(check_library(library))
    assert len(found) == 2 and "no such file" in found[0] and "changed since" in found[1]


def test_a_measurement_never_raises(tmp_path: Path) -> None:
    for name in ("gone.wav", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (found,) = measure_batch([MeasureTask(tmp_path / name, 10)])
        assert isinstance(found, UnusableFile) and not found.lasting
    put(tmp_path / "long.wav", hit(1, 1.0), RATE)
    (found,) = measure_batch([MeasureTask(tmp_path / "long.wav", 0.5)])
    assert isinstance(found, UnusableFile) and not found.lasting
