"""A scan keeps what can be played, says why of everything else, and never puts one drummer into two splits."""

from __future__ import annotations

import csv
import os
import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.patterns.manifest import load_grooves
from rmod_pipeline.patterns.scan import scan_grooves_to_manifest
from tests.tiny_grooves import DRUMMERS, KICK, TICKS, rock, write_folder, write_performance

INFO = "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split\n"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("played") / "midi", bars=2)


@pytest.fixture
def folder(played: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(played, tmp_path / "midi"))


def report_of(manifest: Path) -> dict[str, str]:
    with manifest.with_suffix(".report.csv").open(newline="") as file:
        return {row["path"]: row["detail"] for row in csv.DictReader(file) if row["finding"] == "dropped"}


def test_no_drummer_is_in_two_splits(folder: Path) -> None:
    manifest = folder / "grooves.csv"
    scan = scan_grooves_to_manifest(folder, manifest, shares="50/25/25")
    assert scan.split_by == "drummer" and not scan.dropped
    splits: dict[str, set[str]] = defaultdict(set)
    for entry in load_grooves(manifest).entries:
        splits[entry.drummer].add(entry.split)
        assert entry.group == f"drummer/{entry.drummer}"
        assert entry.performance == f"{entry.drummer}/take-{entry.performance[-1]}"
    assert set(splits) == set(DRUMMERS)
    assert all(len(of_drummer) == 1 for of_drummer in splits.values())
    assert set.union(*splits.values()) == {"train", "valid", "test"}


def test_with_few_drummers_no_performance_is_in_two_splits(tmp_path: Path) -> None:
    for number in range(12):
        # Each performance twice, under two names.
        for name in ("a", "b"):
            write_performance(tmp_path / "midi" / "solo" / f"{number:02d}{name}.mid", rock(1, number))
    scan = scan_grooves_to_manifest(tmp_path / "midi", tmp_path / "grooves.csv", shares="50/25/25")
    assert scan.split_by == "performance" and len(scan.copies) == 12
    entries = load_grooves(tmp_path / "grooves.csv").entries
    assert len({entry.split for entry in entries}) == 3
    for number in range(12):
        assert len({entry.split for entry in entries if f"/{number:02d}" in entry.performance}) == 1


def test_the_list_of_the_groove_midi_dataset_is_read(tmp_path: Path) -> None:
    rows = ""
    for number, drummer in enumerate(("drummer1", "drummer2", "drummer3")):
        for take, split in enumerate(("train", "validation", "test")):
            name = f"{drummer}/session1/{take}_funk_120_beat_4-4.mid"
            write_performance(tmp_path / "groove" / name, [*rock(2, 9 * number + take), (0, 22, 50)])
            fields = [drummer, f"{drummer}/session1", f"{drummer}/session1/{take}", "funk/fast", 120, "beat", "4-4"]
            rows += ",".join(map(str, [*fields, name, "x.wav", 4.0, split])) + "\n"
    (tmp_path / "groove" / "info.csv").write_text(INFO + rows)
    scan_grooves_to_manifest(tmp_path / "groove", tmp_path / "grooves.csv", shares="hints")
    entries = load_grooves(tmp_path / "grooves.csv").entries
    assert [entry.performance for entry in entries][:2] == ["drummer1/session1/0", "drummer1/session1/1"]
    assert {entry.split_hint for entry in entries} == {"train", "valid", "test"}
    assert all(entry.split == entry.split_hint and entry.group.startswith("performance/") for entry in entries)
    assert {(entry.licence, entry.map, entry.style) for entry in entries} == {("CC-BY-4.0", "roland_td", "funk/fast")}
    assert all(entry.source.endswith(" by Google LLC") and entry.counts()["hihat"] == 16 for entry in entries)
    by_drummer = scan_grooves_to_manifest(tmp_path / "groove", tmp_path / "grooves.csv", shares="34/33/33")
    assert by_drummer.split_by == "drummer"


def test_a_list_that_is_damaged_is_a_warning(folder: Path) -> None:
    (folder / "info.csv").write_text(INFO + "too,few,cells\n")
    scan = scan_grooves_to_manifest(folder, folder / "grooves.csv")
    assert any("info.csv is not used: 3 cells" in warning for warning in scan.warnings)
    (folder / "info.csv").write_text("another,list\n1,2\n")
    assert not any("info.csv" in each for each in scan_grooves_to_manifest(folder, folder / "grooves.csv").warnings)


def test_every_file_that_is_not_used_has_a_reason(folder: Path) -> None:
    (folder / "text.mid").write_text("no MIDI")
    (folder / "empty.midi").write_bytes(b"")
    (folder / "notes.txt").write_text("a text")
    (folder / ".hidden.mid").write_bytes(b"x")
    os.mkfifo(folder / "pipe.mid")
    (folder / "nowhere.mid").symlink_to(folder / "gone.mid")
    write_performance(folder / "waltz.mid", rock(2), metres={0: (3, 4)})
    write_performance(folder / "long.mid", [(0, KICK, 9), (4 * TICKS * 700, KICK, 9)])
    write_performance(folder / "melody.mid", rock(2), is_drum=False)
    (folder / "unnamed").write_bytes((folder / "ann" / "take-0.mid").read_bytes())  # MIDI by its content
    scan = scan_grooves_to_manifest(folder, folder / "grooves.csv")
    dropped = report_of(folder / "grooves.csv")
    assert dropped.pop("text.mid").startswith("not MIDI: ")
    assert dropped.pop("empty.midi") == "not MIDI: it is empty"
    assert dropped.pop("waltz.mid").startswith("metre 3/4")
    assert dropped.pop("long.mid").startswith("too long: 23 minutes")
    assert dropped.pop("melody.mid").startswith("no drums")
    assert dropped.pop("nowhere.mid") == "a link to nothing"
    assert not dropped
    ignored = {(files.suffix, files.reason) for files in scan.ignored_files}
    assert ignored == {(".txt", "not MIDI"), (".mid", "hidden"), (".mid", "not a regular file")}
    assert len(load_grooves(folder / "grooves.csv").entries) == 13


def test_keys_without_a_kind_are_a_warning(folder: Path) -> None:
    write_performance(folder / "ann" / "odd.mid", [*rock(2), (7, 22, 50), (9, 22, 50)])
    scan = scan_grooves_to_manifest(folder, folder / "grooves.csv")
    assert any("has no kind for the keys 22 (2 hits)" in warning for warning in scan.warnings)


def test_a_map_of_the_user_is_stored_relative_to_the_manifest(folder: Path) -> None:
    (folder.parent / "mine.yaml").write_text("name: mine\nkeys: {kick: [36], tom: [42]}\n")
    scan_grooves_to_manifest(folder, folder / "grooves.csv", drum_map=str(folder.parent / "mine.yaml"))
    (entry, *_) = load_grooves(folder / "grooves.csv").entries
    assert entry.map == "../mine.yaml" and set(entry.counts()) == {"kick", "tom"}


def test_a_manifest_outside_names_the_folder(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    manifest = tmp_path / "elsewhere" / "grooves.csv"
    scan_grooves_to_manifest(folder, manifest)
    assert manifest.read_text().startswith("# root: ../midi\n")
    assert load_grooves(manifest).path_of(load_grooves(manifest).entries[0]) == folder / "ann" / "take-0.mid"


def test_what_a_scan_cannot_do_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        scan_grooves_to_manifest(tmp_path / "none", tmp_path / "grooves.csv")
    with pytest.raises(UsageError, match=r"write --out NAME\.csv"):
        scan_grooves_to_manifest(folder, folder / "grooves.txt")
    with pytest.raises(UsageError, match="no file has a split that its source proposes"):
        scan_grooves_to_manifest(folder, folder / "grooves.csv", shares="hints")
    with pytest.raises(UsageError, match="is not an SPDX identifier"):
        scan_grooves_to_manifest(folder, folder / "grooves.csv", licence="free!")
    (folder / "library.csv").write_text("id,path\n")
    with pytest.raises(UsageError, match="was not made by a scan"):
        scan_grooves_to_manifest(folder, folder / "library.csv")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.mid").write_text("x")
    with pytest.raises(LibraryError, match=r"no file can be used \(1 x not MIDI\)"):
        scan_grooves_to_manifest(tmp_path / "texts", tmp_path / "grooves.csv")
    (tmp_path / "texts" / "a.mid").unlink()
    with pytest.raises(LibraryError, match="there is no MIDI file"):
        scan_grooves_to_manifest(tmp_path / "texts", tmp_path / "grooves.csv")


def test_two_scans_write_the_same_bytes(folder: Path) -> None:
    written = []
    for _ in range(2):
        scan_grooves_to_manifest(folder, folder / "grooves.csv")
        written.append((folder / "grooves.csv").read_bytes())
    assert written[0] == written[1]
