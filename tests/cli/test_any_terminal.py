"""The command line in any locale and in a terminal of any width."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.library.manifest import load_library
from tests.tiny_build import on_disk

Rmod = Callable[..., Any]

LOCALES = {
    "Latin-1": {"LC_ALL": "en_US.ISO-8859-1"},
    "POSIX without coercion": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "ASCII output": {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"},
}

COMMAND = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()"]


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a compiled Latin-1 locale: few machines have one ready."""
    folder = tmp_path_factory.mktemp("locales")
    if shutil.which("localedef"):
        target = folder / "en_US.ISO-8859-1"
        subprocess.run(["localedef", "-i", "en_US", "-f", "ISO-8859-1", target], capture_output=True, check=False)
    return folder


def run(arguments: list[object], locale: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO"))}
    environment = {**kept, "LOCPATH": str(folder), **LOCALES[locale]}
    if locale != "Latin-1":
        del environment["LOCPATH"]
    return subprocess.run([*COMMAND, *map(str, arguments)], env=environment, capture_output=True, check=False)


@pytest.mark.parametrize("locale", LOCALES)
def test_show_prints_in_any_locale(locale: str, tiny_built: Path, latin1: Path) -> None:
    done = run(["show", tiny_built, "train-00000000"], locale, latin1)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"kick" in done.stdout


@pytest.mark.parametrize(
    "locale",
    [name if number == 0 else pytest.param(name, marks=pytest.mark.long) for number, name in enumerate(LOCALES)],
)
def test_a_manifest_made_in_any_locale_works_in_others(
    locale: str, tiny_manifest: Path, tmp_path: Path, latin1: Path
) -> None:
    source = load_library(tiny_manifest)
    folder = tmp_path / "Schläge"
    (folder / "kick").mkdir(parents=True)
    for number, asset in enumerate(source.select("kick", "train")):
        shutil.copy(on_disk(source.path_of(asset)), folder / "kick" / f"kick für {number} 太鼓.wav")
    manifest = folder / "m.csv"
    done = run(["library", "scan", folder, "--out", manifest, "--splits", "100/0/0", "--workers", 1], locale, latin1)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert all("für" in asset.path and "太鼓" in asset.path for asset in load_library(manifest).assets)
    assert run(["library", "check", manifest], "Latin-1", latin1).returncode == 0


@pytest.mark.parametrize("name", ["太鼓.csv", os.fsdecode(b"bro\xffken.csv"), "line\nbreak.csv"])
def test_an_error_about_any_name_is_no_traceback(name: str, tmp_path: Path, latin1: Path) -> None:
    done = run(["library", "check", tmp_path / name], "ASCII output", latin1)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("columns", [1, 20, 40, 500])
def test_any_width_prints_without_an_error(columns: int, tiny_built: Path, tiny_manifest: Path, rmod: Rmod) -> None:
    for arguments in (
        ["show", tiny_built],
        ["show", tiny_built, "train-00000000"],
        ["status", tiny_built],
        ["library", "check", tiny_manifest],
        ["codec", "list"],
        ["--help"],
        ["build", "--help"],
    ):
        said = rmod(*arguments, columns=columns)
        assert said.code == 0, (arguments, said)
        assert "Traceback" not in said.err
