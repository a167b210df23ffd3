"""The report of a scan, the files that it may overwrite, and the check of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline.errors import LibraryError, UsageError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.scanning.check import find_problems
from rmod_pipeline.library.scanning.report import refuse_overwriting, report_path, write_scan
from tests.library.library_sounds import hit, make_kits, write_sound
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
