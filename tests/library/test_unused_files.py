"""What a scan does not use is counted: every file is a sound, dropped with a reason, or ignored with a reason."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rmod_pipeline.cli.groups.library import app
from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.scanning.report import describe_unused, report_path, write_scan
from rmod_pipeline.library.scanning.resolve import resolve_library
from rmod_pipeline.library.scanning.scan import IgnoredFiles
from tests.library.library_sounds import encode, hit, make_kits
from tests.library.scan_helpers import SHARES, drop_reasons, scan

# RAW has no header, SD2 keeps its header in a second file, and the others are recognised by their suffixes alone.
WEAK_FORMATS = {"HTK": ".htk", "MAT4": ".mat", "MPC2K": ".snd"}
FORMATS = sorted(set(soundfile.available_formats()) - {"RAW", "SD2", *WEAK_FORMATS})
SUFFIXES = ["", ".wav", ".caf", ".bin", ".W64", ".snd", ".txt", ".backup"]


def encode_any(file_format: str, seed: int) -> bytes:
    """Return a sound in a format of libsndfile, with the first encoding that it can write."""
    for subtype in soundfile.available_subtypes(file_format):
        try:
            # 8 kHz, because WVE knows no other rate.
            return encode(hit(seed, rate=8_000), 8_000, file_format, subtype=subtype)
        except soundfile.LibsndfileError:
            continue
    raise AssertionError(f"no encoding of {file_format} can be written")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_read_by_its_content(tmp_path: Path, suffix: str) -> None:
    for seed, file_format in enumerate(FORMATS):
        (tmp_path / f"kick {file_format}{suffix}").write_bytes(encode_any(file_format, seed))
    result = scan(tmp_path)
    assert drop_reasons(result) == {} and result.ignored_files == []
    write_scan(result, tmp_path / "m.csv", SHARES)
    library = load_library(tmp_path / "m.csv")
    assert len(library.assets) == len(FORMATS)
    assert all(AudioStore(library).read(asset.id).shape[1] > 0 for asset in library.assets)


def test_formats_without_a_signature_are_read_by_their_suffix(tmp_path: Path) -> None:
    for seed, (file_format, suffix) in enumerate(WEAK_FORMATS.items()):
        (tmp_path / f"kick {file_format}{suffix}").write_bytes(encode_any(file_format, seed))
    assert len(scan(tmp_path).assets) == len(WEAK_FORMATS)


CONTENTS = {
    "a sound": encode(hit(1)), "a CAF": encode_any("CAF", 2), "text": b"hello there, no sound at all", "nothing": b"",
    "M4A": b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(600), "zeros": bytes(3000), "half a sound": encode(hit(3))[:2000],
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(500), "RIFF, no sound": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100),
    "one MP3 sync": b"\xff\xfb\x90\x00" + b"abc" * 900,
}  # fmt: skip
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["kick", "snare", "x", ".hidden", "Hats/hat", "Loops/kick loop", ".git/kick"]),
        st.sampled_from([".wav", ".caf", ".m4a", ".txt", "", ".AIFF", ".mp3", ".pdf", ".asd"]),
        st.sampled_from(sorted(CONTENTS)),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60)
@given(ENTRIES)
def test_every_file_is_accounted_for(entries: list[tuple[str, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for index, (stem, suffix, content) in enumerate(entries):
            path = folder / f"{stem} {index}{suffix}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(CONTENTS[content])
        visible = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
        hidden_folders = sum(path.is_dir() for path in folder.glob(".git"))
        try:
            result = scan(folder)
        except LibraryError as error:
            ignored = len(visible) + hidden_folders
            assert error.found.startswith(f"no audio files ({ignored} files of other kinds")
            return
    assert len(result.assets) + len(result.dropped) + result.ignored == len(visible) + hidden_folders
    assert all(file.reason for file in result.dropped) and all(files.reason for files in result.ignored_files)


def test_the_summary_and_the_report_name_suffixes_and_reasons(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=2)
    for number in range(3):
        (tmp_path / f"kick {number}.m4a").write_bytes(CONTENTS["M4A"])
        (tmp_path / f"notes {number}.txt").write_text("text")
    (tmp_path / "cover.PNG").write_bytes(CONTENTS["a picture"])
    (tmp_path / "LICENSE").write_text("text")
    (tmp_path / "._kick.wav").write_bytes(b"metadata")
    (tmp_path / ".git").mkdir()
    os.mkfifo(tmp_path / "pipe")
    result = CliRunner().invoke(app, ["scan", str(tmp_path), "--out", str(tmp_path / "m.csv")])
    assert result.exit_code == 0, result.output
    for line in (
        "dropped 3: a format that rmod does not read",
        "ignored 2: hidden (.wav 1, folder 1)",
        "ignored 5: not audio (.txt 3, .png 1, no suffix 1)",
        "ignored 1: not a regular file (no suffix 1)",
    ):
        assert line in result.output
    report = report_path(tmp_path / "m.csv").read_text(encoding="utf-8")
    assert "ignored,,,.txt 3: not audio" in report and "dropped,,kick 0.m4a,a format that rmod" in report


def test_the_files_of_an_earlier_scan_are_not_counted(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=2)
    for _ in range(2):
        result = scan(tmp_path)
        assert result.ignored_files == []
        write_scan(result, tmp_path / "m.csv", SHARES)
    (tmp_path / "other.csv").write_text("a,b\n")
    assert scan(tmp_path).ignored_files == [IgnoredFiles(".csv", "not audio", 1)]
    assert list(describe_unused(scan(tmp_path))) == ["ignored 1: not audio (.csv 1)"]


def test_a_folder_as_a_library_says_which_files_it_cannot_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    make_kits(tmp_path / "sounds", kits=1)
    resolve_library(str(tmp_path / "sounds"))
    assert not caplog.text
    (tmp_path / "sounds" / "kick.wav").write_text("text")
    resolve_library(str(tmp_path / "sounds"))
    assert "4 sounds; " in caplog.text and "details in " in caplog.text
