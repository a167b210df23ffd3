"""`rmod features`, `rmod build --features`, and what the other commands make of features."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.pipeline.jobs.disk_space import format_bytes
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.pairs import list_keys
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.windows.feature_family import feature_names
from tests.tiny_build import RECIPE, on_disk, reproducible_files

Rmod = Callable[..., Any]


@pytest.fixture
def soundless(tiny_manifest: Path, tmp_path: Path, rmod: Rmod) -> Path:
    """The small data set with its features alone, built by the command."""
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(RECIPE)
    options = ["--library", tiny_manifest, "--out", out, "--pairs", "train=10,valid=2", "--shard-size", 3]
    assert rmod("build", recipe, *options, "--features", "--no-audio").code == 0
    return out


def test_features_gives_the_bytes_of_build_and_names_what_is_next(
    tiny_built: Path, tiny_features: Path, tmp_path: Path, rmod: Rmod
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    result = rmod("features", out)
    assert result.code == 0, result
    assert "Computed features of 12 pairs" in result.out
    assert f"rmod verify {out}" in result.out
    assert reproducible_files(out) == reproducible_files(tiny_features)
    assert "Nothing to do" in rmod("features", out).out


def test_a_build_names_its_features_and_their_size(tiny_manifest: Path, tmp_path: Path, rmod: Rmod) -> None:
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(RECIPE)
    options = ["--library", tiny_manifest, "--out", out, "--pairs", "train=1", "--features"]
    summary = rmod("build", recipe, *options).out.splitlines()[0]
    size = format_bytes(sum(path.stat().st_size for path in out.glob("features/*/*.tar")))
    assert summary.endswith(f", features/{feature_names(out)[0]} {size}.")
    assert ": audio " in summary


def test_a_failed_shard_is_named_and_the_others_are_made(tiny_built: Path, tmp_path: Path, rmod: Rmod) -> None:
    out = Path(shutil.copytree(tiny_built, tmp_path / "out"))
    tar = on_disk(Layout(out).tar("train-000001"))
    tar.write_bytes(tar.read_bytes()[:5000])
    result = rmod("features", out)
    assert result.code == 1, result
    assert "train-000001" in result.err
    assert "Traceback" not in result.err
    assert len(list(out.glob("features/*/*.tar"))) == 4
    status = json.loads(rmod("status", out, "--json").out)
    assert [shard["family"] for shard in status["failed"]] == [f"features/{feature_names(out)[0]}"]


def test_status_and_show_list_features(tiny_features: Path, rmod: Rmod) -> None:
    name = feature_names(tiny_features)[0]
    assert f"features/{name}: 5 of 5 shards, 12 of 12 pairs" in rmod("status", tiny_features).out
    assert f"features {name}: 12 pairs" in rmod("show", tiny_features).out


def test_a_build_with_features_alone_is_verified_shown_and_read(soundless: Path, rmod: Rmod) -> None:
    assert not (soundless / "audio").exists()
    assert rmod("verify", soundless, "--rerender", 2).code == 0
    key = list_keys(soundless)[0]
    assert key in rmod("show", soundless, key).out
    data = DataSet(soundless)
    assert (data.pair(key).audio, data.pair(key).codes) == ({}, {})
    assert len(list(data.pairs())) == 12


def test_what_needs_sound_names_a_remedy(soundless: Path, tmp_path: Path, rmod: Rmod) -> None:
    for arguments in (
        ("features", soundless),
        ("preview", soundless, "--page", tmp_path / "page.html"),
        ("release", soundless, "--to", tmp_path / "release"),
    ):
        result = rmod(*arguments)
        assert result.code == 2, result
        assert "-> " in result.err
        assert "Traceback" not in result.err


def test_a_folder_without_a_data_set_is_named(tmp_path: Path, rmod: Rmod) -> None:
    result = rmod("features", tmp_path / "nothing")
    assert result.code == 2
    assert "no data set here" in result.err
