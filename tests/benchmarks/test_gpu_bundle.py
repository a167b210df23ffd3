"""benchmarks/gpu_bundle.py: sounds of all kinds and splits, in the space that is given, and no package twice."""

from __future__ import annotations

import sys
from pathlib import Path

import gpu_bundle
import pytest
import soundfile
from gpu_parts.files import read_bundle

from rmod_pipeline.library.manifest import SPLITS, load_library
from tests.tiny_build import make_library


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return make_library(tmp_path / "library")


def make(monkeypatch: pytest.MonkeyPatch, manifest: Path, out: Path, *more: str) -> int:
    command = ["gpu_bundle.py", "--library", str(manifest), "--out", str(out), "--no-wheels", *more]
    monkeypatch.setattr(sys, "argv", command)
    return gpu_bundle.main()


def test_a_bundle_holds_permissive_sounds_of_every_kind_and_split(
    monkeypatch: pytest.MonkeyPatch, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert make(monkeypatch, manifest, out, "--mib", "2") == 0
    assert f"{out}: " in capsys.readouterr().out
    listed = read_bundle(out)["files"]
    assert {"README.md", "benchmarks/gpu.py", "benchmarks/gpu_parts/dose.py", "library/library.csv"} <= listed.keys()
    library = load_library(out / "library" / "library.csv")
    assert {asset.licence for asset in library.assets} == {"CC0-1.0"}
    assert {(asset.kind, asset.split) for asset in library.assets} == {
        (kind, split) for kind in ("kick", "snare", "bass") for split in SPLITS
    }
    for asset in library.assets:
        info = soundfile.info(out / "library" / asset.path)
        assert (info.samplerate, info.channels, info.format, info.frames) == (44_100, 1, "FLAC", asset.frames)
    original = {asset.id: asset.split for asset in load_library(manifest).assets}
    assert all(original[asset.id] == asset.split for asset in library.assets)


def test_a_bundle_that_is_too_small_is_refused(
    monkeypatch: pytest.MonkeyPatch, manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make(monkeypatch, manifest, tmp_path / "bundle", "--mib", "0.3") == 2
    assert "no room for" in capsys.readouterr().err
    assert make(monkeypatch, manifest, tmp_path / "bundle") == 2
    assert "already exists" in capsys.readouterr().err


def test_what_the_machine_has_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "installed.txt"
    path.write_text("Package    Version\n---------- -------\nNumPy      2.5.2\ntorch==2.11.0\nlazy_loader 0.4\n")
    installed = gpu_bundle.read_installed(path)
    assert {"numpy", "torch", "lazy-loader"} <= installed
    needed = gpu_bundle.list_needed(installed)
    assert not installed & set(needed)
    assert {"librosa", "soundfile", "cffi", "descript-audio-codec", "webdataset"} <= set(needed)
    assert "descript-audiotools" not in needed, "it is installed without what it asks for"
    assert gpu_bundle.list_needed(installed | {"rmod-pipeline"}) == needed, "an older rmod may need less"
    # pip freeze, which writes the lock, leaves setuptools out.
    assert set(needed) - gpu_bundle.read_locked().keys() <= {"setuptools"}


def test_a_kind_without_sounds_in_a_split_is_split_again(manifest: Path) -> None:
    from dataclasses import replace

    library = load_library(manifest)
    assets = tuple(asset for asset in library.assets if not (asset.kind == "bass" and asset.split == "train"))
    filled = gpu_bundle.fill_splits(replace(library, assets=assets))
    assert {asset.split for asset in filled.assets if asset.kind == "bass"} == set(SPLITS)
    others = {asset.id: asset.split for asset in library.assets if asset.kind != "bass"}
    assert all(others[asset.id] == asset.split for asset in filled.assets if asset.kind != "bass")
