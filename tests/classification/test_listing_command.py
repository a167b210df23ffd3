"""`rmod classify`, `rmod library near` and `map`: what they parse, print and write, and how they end."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rmod_pipeline
from rmod_pipeline.curation import classify_files
from rmod_pipeline.errors import UsageError
from tests.curation.fake_classifier import FakeChoice
from tests.curation.neighbours.libraries import make_library
from tests.library.library_sounds import hit, write_sound

Rmod = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake classifier in the place of that of rmod."""
    monkeypatch.setattr(classify_files, "ClassifierChoice", lambda _path: FakeChoice())


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with three sounds in a folder, and one in a folder that has the name of a subcommand."""
    folder = tmp_path / "here"
    for number, name in enumerate(("kicks/a", "kicks/b", "kicks/c", "list/d")):
        write_sound(folder / f"{name}.wav", hit(number, 0.1))
    monkeypatch.chdir(folder)
    return folder


def paths_of(text: str) -> list[str]:
    return [row["path"] for row in csv.DictReader(text.splitlines())]


def test_a_word_that_is_no_subcommand_is_a_path(fake: None, sounds: Path, rmod: Rmod) -> None:
    expected = ["kicks/a.wav", "kicks/b.wav", "kicks/c.wav"]
    for words in (
        ["classify", "kicks", "--format", "csv"],
        ["classify", "--format", "csv", "kicks/"],
        ["classify", "list", "kicks", "--format", "csv"],
        ["classify", "--workers", "1", "--format=csv", "./kicks"],
        ["classify", "--format", "csv", *expected],
    ):
        ended = rmod(*words)
        assert (ended.code, paths_of(ended.out)) == (0, expected), words


def test_a_folder_with_the_name_of_a_subcommand_is_reached(fake: None, sounds: Path, rmod: Rmod) -> None:
    ended = rmod("classify", "./list", "kicks", "--format", "csv")
    assert paths_of(ended.out)[0] == "list/d.wav" and len(paths_of(ended.out)) == 4
    assert paths_of(rmod("classify", "list", "list", "--format", "csv").out) == ["list/d.wav"]


def test_help_explains_the_list_and_the_subcommands(rmod: Rmod) -> None:
    ended = rmod("classify", "--help")
    assert ended.code == 0
    for text in ("PATH", "--format", "--out", "--model", "--fresh", "list", "./train", "Usage: rmod classify"):
        assert text in ended.out
    assert rmod("classify").out == ended.out or "Usage: rmod classify" in rmod("classify").out


def test_a_table_names_every_sound_and_says_what_there_is(fake: None, sounds: Path, rmod: Rmod) -> None:
    ended = rmod("classify", "kicks")
    assert ended.code == 0
    assert [line.split()[-1] for line in ended.out.splitlines()] == [
        "path",
        "kicks/a.wav",
        "kicks/b.wav",
        "kicks/c.wav",
    ]
    assert ended.err.strip().startswith("3 sounds: ")


def test_a_file_that_cannot_be_classified_is_a_row_and_ends_with_1(fake: None, sounds: Path, rmod: Rmod) -> None:
    Path("kicks/bad.wav").write_text("no sound")
    write_sound(Path("kicks/silent.wav"), np.zeros((1, 999), np.float32))
    ended = rmod("classify", "kicks", "--format", "json")
    assert ended.code == 1
    rows = json.loads(ended.out)["sounds"]
    assert [bool(row["reason"]) for row in rows] == [False, False, True, False, True]
    assert "2 files could not be classified" in ended.err and "Traceback" not in ended.err


def test_a_list_goes_to_a_file_and_a_second_run_writes_the_same_bytes(fake: None, sounds: Path, rmod: Rmod) -> None:
    contents = []
    for options in ([], [], ["--fresh"], ["--workers", "2"]):
        ended = rmod("classify", "kicks", "--out", "classes.csv", *options)
        assert ended.code == 0 and not ended.out and "classes.csv: 3 sounds" in ended.err
        contents.append(Path("classes.csv").read_bytes())
    assert len(set(contents)) == 1
    assert {path.name for path in sounds.iterdir()} == {"kicks", "list", "classes.csv"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["classify", "missing"], "missing: no such file or folder"),
        (["classify", "kicks", "--out", "mine.csv"], "is no list of classified sounds"),
        (["classify", "kicks", "--out", "no/where.csv"], "its folder does not exist"),
        (["classify", "kicks", "--format", "xml"], "none of table, csv, json"),
        (["classify", "kicks", "--model", "mine.csv"], "mine.csv"),
        (["classify", "kicks", "--model", "missing.pth"], "missing.pth"),
        (["library", "near", "missing.wav"], "no such file"),
        (["library", "near", "mine.csv"], "not readable as audio"),
        (["library", "near", "kicks/a.wav", "--library", "missing"], "missing"),
        (["library", "near", "kicks/a.wav", "--page", "mine.csv"], "is no page of rmod"),
        (["library", "map", "kicks", "--out", "mine.csv"], "is no page of rmod"),
        (["library", "map", "missing", "--out", "map.html"], "missing"),
    ],
)
def test_a_mistake_ends_with_2_and_a_message(words: list[str], message: str, sounds: Path, rmod: Rmod) -> None:
    Path("mine.csv").write_text("mine")
    ended = rmod(*words)
    assert ended.code == 2 and message in ended.err and "Traceback" not in ended.err, ended.err
    assert Path("mine.csv").read_text() == "mine"
    assert {path.name for path in sounds.iterdir()} == {"kicks", "list", "mine.csv"}


def test_near_lists_sounds_and_writes_a_page(fake: None, sounds: Path, rmod: Rmod) -> None:
    make_library(sounds / "lib")
    long = write_sound(Path("long.wav"), hit(50, 5.0))
    ended = rmod("library", "near", "lib/kick/00.wav", long, "--library", "lib/library.csv", "--count", "3")
    assert ended.code == 0 and ended.out.count("rank  similar") == 2 and "kick/00.wav " not in ended.out
    assert "long.wav: 5.0 s long; only the first 3 s are heard" in ended.err
    first = ["library", "near", "lib/kick/00.wav", "--library", "lib/library.csv", "--format", "csv"]
    rows = list(csv.DictReader(rmod(*first, "--include-itself", "--page", "near.html").out.splitlines()))
    assert rows[0]["path"].endswith("lib/kick/00.wav") and float(rows[0]["similarity"]) == pytest.approx(1, abs=1e-5)
    page = Path("near.html").read_text()
    assert page.count('class="card player') == 11 and 'content="rmod library near"' in page
    assert rmod(*first, "--page", "near.html").code == 0
    of_kind = list(csv.DictReader(rmod(*first, "--kind", "snare").out.splitlines()))
    assert {row["kind"] for row in of_kind} == {"snare"}


def test_a_kind_that_the_library_lacks_is_a_mistake(fake: None, sounds: Path, rmod: Rmod) -> None:
    make_library(sounds / "lib")
    ended = rmod("library", "near", "kicks/a.wav", "--library", "lib/library.csv", "--kind", "kik")
    assert ended.code == 2 and "did you mean 'kick'?" in ended.err and "choose one of hihat, kick, snare" in ended.err


def test_near_and_map_name_sounds_that_cannot_be_heard_and_end_with_1(fake: None, sounds: Path, rmod: Rmod) -> None:
    make_library(sounds / "lib")
    (sounds / "lib" / "kick" / "03.wav").write_text("no sound")
    for words in (
        ["near", "kicks/a.wav", "--library", "lib/library.csv"],
        ["map", "lib/library.csv", "--out", "m.html"],
    ):
        ended = rmod("library", *words)
        assert ended.code == 1 and "left out: kick/03.wav: changed since the scan" in ended.err
    assert "rmod library map" in Path("m.html").read_text()


def test_a_map_is_the_same_the_second_time(fake: None, sounds: Path, rmod: Rmod) -> None:
    make_library(sounds / "lib")
    contents = []
    for workers in ("1", "2"):
        ended = rmod("library", "map", "lib/library.csv", "--out", "m.html", "--workers", workers)
        assert ended.code == 0 and "12 sounds by t-SNE, all of them inside the page" in ended.out
        contents.append(Path("m.html").read_bytes())
    assert contents[0] == contents[1]


def test_the_python_functions_speak_python(fake: None, sounds: Path) -> None:
    result = rmod_pipeline.classify("kicks", progress=False)
    assert [row.path for row in result.sounds] == ["kicks/a.wav", "kicks/b.wav", "kicks/c.wav"]
    assert rmod_pipeline.classify([Path("kicks"), "list"], progress=False).counts.kinds.total() == 4
    library = make_library(sounds / "lib")
    found = rmod_pipeline.find_similar("kicks/a.wav", library, count=2, progress=False)
    assert [each.rank for each in found.results[0].neighbours] == [1, 2]
    for call in (
        lambda: rmod_pipeline.classify("kicks", workers=-1),
        lambda: rmod_pipeline.find_similar("kicks/a.wav", library, count=0),
        lambda: rmod_pipeline.find_similar([], library),
    ):
        with pytest.raises(UsageError) as raised:
            call()
        assert "--" not in str(raised.value)


@pytest.mark.slow
def test_the_classifier_of_rmod_answers(sounds: Path, rmod: Rmod) -> None:
    ended = rmod("classify", "kicks", "--format", "csv")
    rows = list(csv.DictReader(ended.out.splitlines()))
    assert ended.code == 0 and all(0 <= float(row["confidence"]) <= 1 and row["guess"] for row in rows)
