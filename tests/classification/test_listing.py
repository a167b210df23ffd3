"""Laws of the list: a row per file in a fixed order, in every format, written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.classification_cache import ClassificationCache
from rmod_pipeline.curation.listing import FoundFiles, ListedSound, ListingCounts, find_sound_files, list_classes
from rmod_pipeline.curation.listing_formats import (
    COLUMNS,
    ListingFormat,
    choose_format,
    format_listing,
    refuse_foreign_file,
    write_listing,
)
from rmod_pipeline.errors import LibraryError, UsageError
from tests.curation.fake_classifier import FakeChoice
from tests.library.library_sounds import hit, write_sound

CHOICE = FakeChoice()
SOURCE = {"file": "fake.pth", "sha256": "ab"}
FORMATS: tuple[ListingFormat, ...] = ("table", "csv", "json")


def list_all(found: FoundFiles, choice: FakeChoice = CHOICE) -> list[ListedSound]:
    with closing(ClassificationCache(None, choice.open().source)) as cache:
        return list(list_classes(found, choice, cache=cache))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with sounds, with files that are none, and with sounds that cannot be classified."""
    root = tmp_path / "sounds"
    for number, name in enumerate(("b", "a", "deep/c", "deep/er/d")):
        write_sound(root / f"{name}.wav", hit(number, 0.1))
    (root / "damaged.wav").write_text("no sound")
    write_sound(root / "silent.flac", np.zeros((1, 4410), np.float32))
    write_sound(root / "five.wav", hit(9)[:, :5])
    (root / "notes.txt").write_text("mine")
    (root / ".hidden.wav").write_text("mine")
    (root / "nowhere.wav").symlink_to(root / "missing.wav")
    return root


def test_a_folder_is_listed_by_path_with_a_reason_for_every_other_file(folder: Path) -> None:
    found = find_sound_files([folder])
    rows = list_all(found)
    names = [Path(row.path).relative_to(folder).as_posix() for row in rows]
    assert names == sorted(names, key=lambda name: Path(name).parts)
    reasons = {name: row.reason for name, row in zip(names, rows, strict=True) if row.reason}
    assert set(reasons) == {"damaged.wav", "silent.flac", "five.wav", "nowhere.wav"}
    assert "not readable as audio" in reasons["damaged.wav"] and "silent" in reasons["silent.flac"]
    assert "too short: 5 frames" in reasons["five.wav"] and "link to nothing" in reasons["nowhere.wav"]
    assert found.not_audio == 2
    for row in rows:
        assert bool(row.reason) == (row.confidence is None) == (row.guess == "")


def test_paths_keep_their_order_and_are_listed_once(folder: Path) -> None:
    given_paths = [folder / "deep", folder / "b.wav", folder, folder / "b.wav"]
    paths = find_sound_files(given_paths).paths
    assert paths[:3] == [folder / "deep" / "c.wav", folder / "deep" / "er" / "d.wav", folder / "b.wav"]
    assert len(paths) == len(set(paths)) == 8


def test_a_file_that_is_named_is_tried_whatever_it_is(folder: Path) -> None:
    (row,) = list_all(find_sound_files([folder / "notes.txt"]))
    assert row.reason and row.path == str(folder / "notes.txt")


def test_nothing_to_classify_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("mine")
    with pytest.raises(LibraryError, match="no audio files"):
        find_sound_files([tmp_path / "empty"])
    with pytest.raises(LibraryError, match=r"no audio files \(1 other files\)"):
        find_sound_files([tmp_path / "texts", tmp_path / "empty"])
    with pytest.raises(UsageError, match="no such file or folder"):
        find_sound_files([folder, tmp_path / "missing"])
    with pytest.raises(UsageError, match="no path"):
        find_sound_files([])


def test_below_the_threshold_the_kind_is_empty_and_the_guess_stays(folder: Path) -> None:
    found = find_sound_files([folder / "a.wav"])
    (certain,), (uncertain,) = list_all(found), list_all(found, FakeChoice(threshold=1.1))
    assert certain.kind and certain.guess.startswith(certain.kind)
    assert (uncertain.kind, uncertain.subkind) == ("", "")
    assert (uncertain.guess, uncertain.confidence) == (certain.guess, certain.confidence)
    assert certain.second and certain.second_confidence is not None
    assert certain.confidence is not None and certain.confidence >= certain.second_confidence
    (line,) = list(format_listing([uncertain], "table", SOURCE))[1:]
    assert line.startswith(f"? ({certain.guess})")


def test_counts_are_those_of_the_rows(folder: Path) -> None:
    counts = ListingCounts()
    rows = list_all(find_sound_files([folder]))
    for row in rows:
        counts.add(row)
    counts.add(ListedSound(path="x", guess="kick", confidence=0.1))
    assert counts.unusable == 4 and counts.kinds["?"] == 1
    assert counts.kinds.total() == len(rows) + 1 - 4


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)
listed = st.builds(
    ListedSound,
    path=texts,
    kind=st.sampled_from(["", "kick"]),
    subkind=st.sampled_from(["", "open"]),
    confidence=st.one_of(st.none(), st.floats(0, 1)),
    guess=texts,
    second=texts,
    second_confidence=st.floats(0, 1),
    seconds=st.one_of(st.none(), st.floats(0, 100)),
    reason=st.one_of(st.just(""), texts),
).filter(lambda row: bool(row.reason) or row.confidence is not None)


@given(st.lists(listed, max_size=5))
def test_json_has_every_row_and_a_table_a_line_for_each(rows: list[ListedSound]) -> None:
    content = json.loads("".join(format_listing(rows, "json", SOURCE)))
    assert content["sounds"] == [asdict(row) for row in rows] and content["classifier"] == SOURCE
    table = list(format_listing(rows, "table", SOURCE))
    assert len(table) == len(rows) + 1 and all(len(line.splitlines()) == 1 for line in table)


@given(st.lists(listed, max_size=4))
def test_csv_comes_back_as_it_was(rows: list[ListedSound]) -> None:
    text = "".join(format_listing(rows, "csv", SOURCE))
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back[0] == list(COLUMNS)
    expected = [["" if value is None else str(value) for value in asdict(row).values()] for row in rows]
    assert back[1:] == expected


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_replaces_a_list_of_its_format_and_no_other_file(form: ListingFormat, tmp_path: Path) -> None:
    out, rows = tmp_path / "out", [ListedSound(path="a", guess="kick", confidence=1.0, second_confidence=0.0)]
    for count in (3, 1):
        refuse_foreign_file(out, form)
        write_listing(out, format_listing(rows * count, form, SOURCE))
    assert out.read_text() == "".join(format_listing(rows, form, SOURCE))
    for other in set(FORMATS) - {form}:
        with pytest.raises(UsageError, match="is no list"):
            refuse_foreign_file(out, other)
    for content in ("mine", ""):
        out.write_text(content)
        with pytest.raises(UsageError, match="is no list"):
            refuse_foreign_file(out, form)
        assert out.read_text() == content
    with pytest.raises(UsageError):
        refuse_foreign_file(tmp_path, form)
    with pytest.raises(UsageError, match="its folder does not exist"):
        refuse_foreign_file(tmp_path / "missing" / "out.csv", form)


def test_a_list_that_is_stopped_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    write_listing(out, ["old\n"])

    def stop() -> Iterator[str]:
        yield "new\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_listing(out, stop())
    assert out.read_text() == "old\n" and [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_the_format_follows_the_suffix_unless_it_is_named() -> None:
    assert choose_format(None, None) == choose_format(None, Path("a.txt")) == "table"
    assert choose_format(None, Path("a.CSV")) == "csv" and choose_format(None, Path("a.json")) == "json"
    assert choose_format("json", Path("a.csv")) == "json"
    with pytest.raises(UsageError, match="'xml' is none of table, csv, json"):
        choose_format("xml", None)
