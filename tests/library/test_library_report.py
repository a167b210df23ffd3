"""The report of a scan, the files that it may overwrite, and the check of a library."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import MANIFEST_COLUMNS, load_library, write_manifest
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.report import refuse_overwriting, report_path, write_scan
from tests.library.library_sounds import asset, hit, make_kits, write_sound
from tests.library.scan_helpers import SHARES, scan


def test_the_report_lists_warnings_dropped_files_and_copies(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=1)
    (tmp_path / "kick.wav").write_text("text")
    for name in "abc":
        write_sound(tmp_path / "snare" / f"{name}.wav", hit(500))
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    text = report_path(tmp_path / "m.csv").read_text()
    assert "dropped,,kick.wav,not readable" in text
    assert text.count("copies,1,snare/") == 3
    assert "warning" in text and "test has no kick" in text


def test_splits_that_miss_their_shares_are_a_warning(tmp_path: Path) -> None:
    for kit, size in (("a", 8), ("b", 8), ("c", 1)):
        for number in range(size):
            write_sound(tmp_path / kit / "kick" / f"{number}.wav", hit(100 * ord(kit) + number))
    (warning,) = scan(tmp_path).warnings
    assert warning.startswith("kick is split 47/47/6 percent instead of 80/10/10: too few kits: 3, the largest")


def test_a_folder_without_usable_files_gets_only_a_report(tmp_path: Path) -> None:
    (tmp_path / "kick.wav").write_text("text")
    with pytest.raises(LibraryError, match="no file can be used"):
        write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    assert report_path(tmp_path / "m.csv").exists() and not (tmp_path / "m.csv").exists()


def test_files_that_no_scan_wrote_are_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,kind,kit,licence,source\na.wav,kick,,,\n")
    with pytest.raises(UsageError, match="not made by a scan"):
        refuse_overwriting(tmp_path / "labels.csv")
    for name in ("m.txt", "m", "m.report.csv"):
        with pytest.raises(UsageError, match="not a name"):
            refuse_overwriting(tmp_path / name)
    with pytest.raises(UsageError, match="does not exist"):
        refuse_overwriting(tmp_path / "none" / "m.csv")


def test_check_finds_missing_and_changed_files(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, per_kind=1)
    write_scan(scan(tmp_path), tmp_path / "m.csv", SHARES)
    library = load_library(tmp_path / "m.csv")
    assert not list(find_problems(library))
    (tmp_path / library.assets[0].path).unlink()
    write_sound(tmp_path / library.assets[1].path, hit(999))
    problems = list(find_problems(library))
    assert len(problems) == 2 and "no such file" in problems[0] and "changed since" in problems[1]


def test_only_files_of_a_scan_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        refuse_overwriting(tmp_path / "folder.csv")
    (tmp_path / "m.csv").write_bytes(",".join(MANIFEST_COLUMNS).encode() + b"\ncaf\xe9\n")
    refuse_overwriting(tmp_path / "m.csv")


@pytest.mark.parametrize("damage", ["", "damaged"])
def test_a_scan_that_moves_sounds_says_so(damage: str, tmp_path: Path) -> None:
    make_kits(tmp_path, kits=12, per_kind=1)
    first = scan(tmp_path)
    moved = [replace(row, split="test" if row.split == "train" else "train") for row in first.assets]
    write_manifest(tmp_path / "m.csv", moved)
    (tmp_path / "m.csv").write_text((tmp_path / "m.csv").read_text() + damage)
    write_scan(first, tmp_path / "m.csv", SHARES)
    expected = f"{len(moved)} sounds are in another split than before"
    assert (expected in report_path(tmp_path / "m.csv").read_text()) == (not damage)


def test_a_group_in_two_splits_is_a_problem() -> None:
    rows = (asset("a", group="g"), asset("b", group="g", split="valid"))
    library = Library(assets=rows, root=Path("none"), manifest=Path("none/m.csv"), digest="")
    assert next(find_problems(library)).startswith("group g is in ")
