"""Manifests: written rows are read back, spreadsheet variants are accepted, errors name line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rmod_pipeline.errors import ManifestError, RmodError, UsageError
from rmod_pipeline.library.manifest import MANIFEST_COLUMNS, compute_library_digest, load_library, write_manifest
from rmod_pipeline.storage import StorePath
from tests.library.library_sounds import asset

WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
PART = WORD.filter(lambda text: text not in (".", "..") and "/" not in text and text.strip())


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "library.csv"
    write_manifest(path, [asset("kick/a"), asset("kick/b", split="valid"), asset("snare/c", kind="snare")])
    return path


def edit(path: Path, change: Callable[[str], str]) -> None:
    text = path.read_bytes().decode()
    changed = change(text)
    assert changed != text, "the edit changes nothing"
    path.write_bytes(changed.encode())


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    written = [asset("kick/b"), asset("kick/a", kit="", licence="", source='a "quoted", long\nname')]
    write_manifest(tmp_path / "m.csv", written)
    library = load_library(tmp_path / "m.csv")
    assert library.assets == tuple(sorted(written, key=lambda row: row.id))
    assert library.root == tmp_path
    assert (tmp_path / "m.csv").read_text().startswith(",".join(MANIFEST_COLUMNS) + "\n")


@settings(max_examples=50)
@given(path=st.lists(PART, min_size=1, max_size=3).map("/".join))
def test_any_file_name_survives(tmp_path_factory: pytest.TempPathFactory, path: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    # A path with a drive letter is absolute on Windows, so it is refused on every system.
    assume(path[1:2] != ":" and not path.startswith("\\\\"))
    write_manifest(folder / "m.csv", [asset("a", path=path)])
    assert load_library(folder / "m.csv").assets[0].path == path


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", ";").replace("-12.50", "-12,50"),
        lambda text: text.replace(",", "\t"),
        lambda text: "sep=,\n" + text,
        lambda text: text + ",,,,,,,,,,,,,\n\n",
        lambda text: "".join(f"{line},{'notes' if n == 0 else 'mine'}\n" for n, line in enumerate(text.splitlines())),
        lambda text: "".join(",".join(reversed(line.split(","))) + "\n" for line in text.splitlines()),
    ],
    ids=["bom", "crlf", "semicolons", "decimal comma", "tabs", "sep", "blank rows", "extra column", "other order"],
)
def test_spreadsheet_variants_give_the_same_library(manifest: Path, change: Callable[[str], str]) -> None:
    before = load_library(manifest)
    edit(manifest, change)
    assert load_library(manifest).assets == before.assets
    assert load_library(manifest).digest == before.digest


def test_utf_16_is_read(manifest: Path) -> None:
    before = load_library(manifest)
    manifest.write_bytes(manifest.read_text(encoding="utf-8").encode("utf-16"))
    assert load_library(manifest).assets == before.assets


@pytest.mark.parametrize(
    ("change", "about", "found"),
    [
        (lambda text: text.replace("kick/b.wav", "/kick/b.wav"), "line 3, column path", "absolute"),
        (lambda text: text.replace("kick/b.wav", "C:/kick/b.wav"), "line 3, column path", "absolute"),
        (lambda text: text.replace("kick/b.wav", "../b.wav"), "line 3, column path", ".."),
        (lambda text: text.replace("kick/b.wav", "kick/../../b.wav"), "line 3, column path", ".."),
        (lambda text: text.replace("kick/b.wav", ""), "line 3, column path", "empty"),
        (lambda text: text.replace("kick/b.wav", "kick\0.wav"), "line 3, column path", "NUL"),
        (lambda text: text.replace(",kick/b,valid", ",,valid"), "line 3, column group", "empty"),
        (lambda text: text.replace(",kick/b,valid", ",kick\x07b,valid"), "line 3, column group", "control character"),
        (lambda text: text.replace("kick/b,", "kick/a,"), "line 3, column id", "line 2 already"),
        (lambda text: text.replace("b.wav", "a.wav"), "line 3, column path", "line 2 already"),
        (lambda text: text.replace("valid", "vaild"), "line 3, column split", "did you mean 'valid'"),
        (lambda text: text.replace("snare,", "sn/are,"), "line 4, column kind", "no kind"),
        (lambda text: text.replace("snare,", "Tom-Low,"), "line 4, column kind", "'Tom-Low' is no kind"),
        (lambda text: text.replace("0" * 64, "0" * 63 + "x", 1), "line 2, column sha256", "64 hexadecimal"),
        (lambda text: text.replace(",44100,", ",44.1k,", 1), "line 2, column sample_rate", "44.1k"),
        (lambda text: text.replace(",44100,", ",0,", 1), "line 2, column sample_rate", "above 0"),
        (lambda text: text.replace("-12.50", "loud", 1), "line 2, column rms_dbfs", "loud"),
        (lambda text: text.replace("-12.50", "nan", 1), "line 2, column rms_dbfs", "nan"),
        (lambda text: text.replace("licence", "license", 1), "library.csv", "no column 'licence'"),
        (lambda text: text.replace("kit,group", "kit,kit,group", 1), "library.csv", "twice"),
        (lambda text: text.replace("one,kick/b", "one,two,kick/b"), "line 3", "15 cells"),
        (lambda text: text.replace(",one,kick/b", ""), "line 3", "12 cells"),
        (lambda text: text.split("\n")[0], "library.csv", "no rows"),
        (lambda text: text[:0], "library.csv", "no column"),
        (lambda text: text + '"' + "x" * 200_000, "line", "not CSV"),
    ],
)
def test_errors_name_line_and_column(manifest: Path, change: Callable[[str], str], about: str, found: str) -> None:
    edit(manifest, change)
    with pytest.raises(ManifestError) as caught:
        load_library(manifest)
    assert about in caught.value.about
    assert found in caught.value.found
    assert caught.value.hint or "already" in found


def test_the_line_number_counts_multi_line_rows(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [asset("a", source="one\ntwo"), asset("b", split="sideways")])
    with pytest.raises(ManifestError, match="line 4, column split"):
        load_library(tmp_path / "m.csv")


def test_a_link_that_leaves_the_folder_is_refused(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (manifest.parent / "kick").symlink_to(outside)
    with pytest.raises(ManifestError, match="leaves the folder"):
        load_library(manifest)


def test_a_link_within_the_folder_is_allowed(manifest: Path) -> None:
    (manifest.parent / "drums").mkdir()
    (manifest.parent / "kick").symlink_to("drums")
    assert len(load_library(manifest).assets) == 3


def test_a_link_cycle_terminates(manifest: Path) -> None:
    (manifest.parent / "kick").symlink_to("kick")
    assert len(load_library(manifest).assets) == 3


def test_latin_1_is_refused_with_its_line(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes().replace(b"one", b"caf\xe9"))
    with pytest.raises(ManifestError, match=r"line 2: not UTF-8"):
        load_library(manifest)


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_a_missing_file_is_a_usage_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError):
        load_library(tmp_path / name)


def test_the_digest_covers_the_columns_that_decide_a_build() -> None:
    base = compute_library_digest([asset()])
    for column in ("id", "kind", "group", "split", "licence", "source", "sha256"):
        assert compute_library_digest([asset(**{column: "other"})]) != base, column
    others: dict[str, Any] = {"path": "x.wav", "kit": "x", "peak_dbfs": -3.0}
    for column, value in others.items():
        assert compute_library_digest([asset(**{column: value})]) == base, column
    assert compute_library_digest([asset("a"), asset("b")]) == compute_library_digest([asset("b"), asset("a")])


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_manifest_never_gives_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    path = folder / "m.csv"
    write_manifest(path, [asset("kick/a"), asset("kick/b", split="valid")])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.integers(0, 30))
        content[at : at + cut] = data.draw(
            st.binary(max_size=8) | st.sampled_from([b",", b'"', b"\n", b";", b"\0", b"/"])
        )
    path.write_bytes(bytes(content))
    try:
        library = load_library(path)
    except RmodError as error:
        assert error.found and str(path) in str(error)
    else:
        assert all(".." not in row.path.split("/") and not row.path.startswith("/") for row in library.assets)


def test_writing_leaves_no_temporary_files(tmp_path: Path) -> None:
    write_manifest(tmp_path / "m.csv", [asset()])
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]
    with pytest.raises(UsageError, match="cannot be written"):
        write_manifest(tmp_path / "none" / "m.csv", [asset()])


def test_a_manifest_that_cannot_be_read_is_named(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ManifestError, match=r"library\.csv: cannot be read: Permission denied"):
        load_library(manifest)


@pytest.mark.parametrize(("root", "found"), [("../sounds", ""), ("../../elsewhere", "leads out of memory://")])
def test_the_root_of_a_manifest_on_a_store_stays_in_its_bucket(root: str, found: str, manifest: Path) -> None:
    on_store = StorePath(f"memory://bucket-{uuid4().hex}/lists/m.csv")
    on_store.write_bytes(f"# root: {root}\n".encode() + manifest.read_bytes())
    if found:
        with pytest.raises(ManifestError, match=found):
            load_library(on_store)
    else:
        assert load_library(on_store).root == on_store.parent.parent / "sounds"
