"""`rmod library`: output, written files and exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmod_pipeline.cli.groups.library import app
from rmod_pipeline.errors import ManifestError
from rmod_pipeline.library.manifest import load_library
from tests.library.library_sounds import hit, make_kits, write_sound

run = CliRunner().invoke


def test_scan_then_check(tmp_path: Path) -> None:
    make_kits(tmp_path)
    (tmp_path / "kick.wav").write_text("text")
    manifest = tmp_path / "m.csv"
    result = run(app, ["scan", str(tmp_path), "--out", str(manifest), "--splits", "60/20/20", "--licence", "MIT"])
    assert result.exit_code == 0, result.output
    for text in ("kick", "snare", "MIT 24", "dropped 1: not readable as audio", "24 sounds"):
        assert text in result.output
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"kick.wav", "m.csv", "m.report.csv"}
    result = run(app, ["check", str(manifest)])
    assert result.exit_code == 0 and "24 files exist and are unchanged" in result.output
    write_sound(tmp_path / load_library(manifest).assets[0].path, hit(999))
    result = run(app, ["check", str(manifest)])
    assert result.exit_code == 1 and "changed since the scan" in result.output


def test_a_second_scan_writes_the_same_manifest(tmp_path: Path) -> None:
    make_kits(tmp_path)
    manifest = tmp_path / "m.csv"
    contents = []
    for options in ([], ["--fresh"], ["--previous", str(manifest)]):
        assert run(app, ["scan", str(tmp_path), "--out", str(manifest), *options]).exit_code == 0
        contents.append(manifest.read_bytes())
    assert contents[0] == contents[1] == contents[2]


def test_a_manifest_outside_the_folder_names_its_root(tmp_path: Path) -> None:
    sounds, manifest = tmp_path / "my, sounds", tmp_path / "out" / "mine.csv"
    make_kits(sounds, kits=2)
    manifest.parent.mkdir()
    assert run(app, ["scan", str(sounds), "--out", str(manifest)]).exit_code == 0
    assert {path.name for path in manifest.parent.iterdir()} == {"mine.csv", "mine.report.csv"}
    assert manifest.read_text().startswith('"# root: ../my, sounds"\n')
    assert run(app, ["check", str(manifest)]).exit_code == 0
    beside = sounds / "mine.csv"
    assert run(app, ["scan", str(sounds), "--out", str(beside)]).exit_code == 0
    assert beside.read_text() == manifest.read_text().partition("\n")[2]
    assert load_library(beside).digest == load_library(manifest).digest


@pytest.mark.parametrize(
    "line", ["# root: ../sounds;;;;", '"# root: ../sounds"', "\ufeff# root: ../sounds,,,", "sep=,\n# root: ../sounds"]
)
def test_a_root_survives_a_spreadsheet(tmp_path: Path, line: str) -> None:
    make_kits(tmp_path / "sounds", kits=2)
    manifest = tmp_path / "out" / "m.csv"
    manifest.parent.mkdir()
    assert run(app, ["scan", str(tmp_path / "sounds"), "--out", str(manifest)]).exit_code == 0
    rows = manifest.read_text().partition("\n")[2]
    manifest.write_text(f"{line}\n{rows}", encoding="utf-8")
    assert load_library(manifest).root == tmp_path / "sounds"
    assert run(app, ["check", str(manifest)]).exit_code == 0


def test_a_root_is_relative(tmp_path: Path) -> None:
    make_kits(tmp_path, kits=2)
    manifest = tmp_path / "m.csv"
    assert run(app, ["scan", str(tmp_path), "--out", str(manifest)]).exit_code == 0
    manifest.write_text(f"# root: {tmp_path}\n{manifest.read_text()}")
    with pytest.raises(ManifestError, match=r"m\.csv, line 1: the root .* is absolute"):
        load_library(manifest)


def test_invalid_arguments_raise_rmod_errors(tmp_path: Path) -> None:
    from rmod_pipeline.errors import RmodError

    make_kits(tmp_path, kits=1)
    for arguments in (
        ["scan", str(tmp_path / "none"), "--out", str(tmp_path / "m.csv")],
        ["scan", str(tmp_path), "--out", str(tmp_path / "m.txt")],
        ["scan", str(tmp_path), "--out", str(tmp_path / "m.csv"), "--splits", "1/2/3"],
        ["scan", str(tmp_path), "--out", str(tmp_path / "m.csv"), "--licence", "as you like"],
        ["scan", str(tmp_path), "--out", str(tmp_path / "m.csv"), "--labels", str(tmp_path / "none.csv")],
        ["scan", str(tmp_path), "--out", str(tmp_path / "m.csv"), "--previous", str(tmp_path / "none.csv")],
        ["check", str(tmp_path / "none.csv")],
    ):
        result = run(app, arguments)
        assert isinstance(result.exception, RmodError), arguments
        assert not (tmp_path / "m.csv").exists()


def test_help_imports_no_heavy_packages() -> None:
    code = (
        "import sys; from rmod_pipeline.cli.groups.library import app\n"
        "try: app(['scan', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'scipy', 'soundfile', 'librosa', 'pyarrow') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip().endswith("[]") and "--previous" in result.stdout
