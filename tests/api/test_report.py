"""`rmod.report` and `rmod report`: a page and JSON, exit codes, and one clear error before anything is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rmod_pipeline as rmod
from rmod_pipeline.errors import RmodError


@pytest.fixture
def out(tiny_built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_built, tmp_path / "<b>data & co"))


def test_a_page_and_json_are_written_beside_the_data_set(out: Path) -> None:
    before = sorted(out.rglob("*"))
    written = rmod.report(str(out), progress=False)
    assert (written.page, written.json) == (
        out.parent / f"{out.name}-report.html",
        out.parent / f"{out.name}-report.json",
    )
    assert json.loads(written.json.read_text()) == json.loads(json.dumps(written.report.to_dict()))
    page = written.page.read_text()
    assert "&lt;b&gt;data &amp; co" in page
    assert "<b>data" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<audio") > 3
    assert sorted(out.rglob("*")) == before


def test_names_of_sounds_are_escaped(out: Path) -> None:
    from rmod_pipeline.shards.index import read_index, write_index

    for path in (out / "index").glob("*.parquet"):
        rows = read_index(path)
        for row in rows:
            for source in row["sources"]:
                source["id"] = f"<script>{source['id']}"
        write_index(rows, path)
    page = rmod.report(out, sample=2, progress=False).page.read_text()
    assert "<script>kick" not in page
    assert "&lt;script&gt;" in page


def test_two_reports_have_the_same_bytes(tiny_built: Path, tmp_path: Path) -> None:
    texts = []
    for name in ("first", "second"):
        written = rmod.report(tiny_built, page=tmp_path / f"{name}.html", sample=4, progress=False)
        texts.append((written.page.read_bytes(), written.json.read_bytes()))
    assert texts[0] == texts[1]


def test_the_command_exits_with_1_if_a_threshold_is_broken(
    tiny_built: Path, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    page, strict = tmp_path / "page.html", tmp_path / "strict.yaml"
    assert rmod("report", tiny_built, "--page", page).code == 0
    strict.write_text("loudness: {lufs_max: -90}\n")
    said = rmod("report", tiny_built, "--page", tmp_path / "strict.html", "--thresholds", strict)
    assert said.code == 1
    assert "loudness.lufs_max: mix lufs of 12 of 12 pairs are above -90 LUFS" in said.out
    assert "loudness.lufs_max" in (tmp_path / "strict.html").read_text()
    again = rmod("report", tiny_built, "--page", page)
    assert again.code == 2
    assert f"{page}: exists already" in again.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"page": "page.pdf"}, "is not the name of a page"),
        ({"page": "no/such/../folder.html", "thresholds": "none.yaml"}, "none.yaml: no such file"),
        ({"sample": -1}, "sample: -1 is not a number of pairs"),
        ({"library": "none.csv"}, "none.csv"),
        ({"thresholds": "s3://bucket/thresholds.yaml"}, "local path"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tiny_built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RmodError, match=message):
        rmod.report(tiny_built, **{"page": "page.html", **options}, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RmodError, match="no data set here"):
        rmod.report(tmp_path, page=tmp_path / "page.html", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_json_file_that_exists_is_kept(tiny_built: Path, tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text("mine")
    with pytest.raises(RmodError, match=r"page\.json: exists already"):
        rmod.report(tiny_built, page=tmp_path / "page.html", progress=False)
    assert (tmp_path / "page.json").read_text() == "mine"
