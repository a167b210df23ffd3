"""Errors of the training of an ear: unusable recipes and options, damaged features."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.ear.loss import compute_ear_losses
from rmod_pipeline.errors import ModelError
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.windows.feature_family import choose_features
from tests.tiny_build import on_disk
from tests.training.ear.ear_examples import train, write_recipe
from tests.training.training_examples import Rmod, assert_refused


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        (
            {"instruments": ["kick", "snar"]},
            [],
            "no features of snar (did you mean 'snare'?); there are kick, snare -> remove snar",
        ),
        (
            {"model": {"bands": 32}},
            [],
            "features of 64 bands, the recipe has model.bands 32 -> set model.windows: 2 and model.bands: 64",
        ),
        ({"model": {"windows": 1}}, [], "features of 2 windows, the recipe has model.windows 1"),
        (
            {"model": {"description_frames": 100}},
            [],
            "kick in windows of 90 frames, the recipe describes 100 -> set model.description_frames: 90",
        ),
        ({"most_hits": 2}, [], "up to 3 hits of snare in a mixture, the recipe small-ear uses 2"),
        ({"schedule": {"optimizer": "muon"}}, [], "-> set schedule.optimizer: adamw"),
        ({}, ["--codec", "dac"], "--codec dac: the recipe small-ear trains an ear -> leave it out"),
        ({}, ["--instrument", "kick"], "makes one ear for kick, snare -> leave it out"),
        ({}, ["--ear", "my.pth"], "leave it out, or start from it: --begin-from"),
    ],
)
def test_an_error_names_bad_input_and_a_remedy(
    changes: dict[str, Any], options: list[str], message: str, tiny_features: Path, tmp_path: Path, rmod: Rmod
) -> None:
    assert_refused(rmod, write_recipe(tmp_path, **changes), tiny_features, tmp_path / "models", options, message)


def test_a_checkpoint_of_dose_is_no_first_ear(tiny_features: Path, finished_training: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"kick\.pth: a DOSE checkpoint, not an ear"):
        train(tiny_features, tmp_path / "out", begin_from=finished_training / "kick.pth")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_pair_is_found_before_the_first_step(
    workers: int, features_copy: Path, tmp_path: Path, rmod: Rmod
) -> None:
    """In a worker too, from which torch alone would print a traceback."""
    layout, family = Layout(features_copy), choose_features(features_copy).folder
    tar, receipt = layout.tar("train-000001", family), layout.receipt("train-000001", family)
    pairs = list(read_tar(tar))
    with TarWriter(on_disk(tar)) as writer:
        for key, members in pairs:
            writer.add(key, {**members, "kick.npy": members["mix.npy"]} if key == "train-00000004" else members)
    content = json.loads(receipt.read_bytes())
    content["files"][0]["bytes"] = tar.stat().st_size
    on_disk(receipt).write_text(json.dumps(content))
    out = tmp_path / "models"
    command = ["train", write_recipe(tmp_path), "--data", features_copy, "--out", out, "--device", "cpu"]
    run = rmod(*command, "--workers", workers)
    assert run.code == 2
    assert "train-00000004.kick.npy: [2, 64, 44]; features.json says [2, 64, 90]" in run.err
    assert "Traceback" not in run.err
    assert not (out / "ear" / "last.ckpt").exists()


def test_a_loss_that_is_not_finite_names_its_pairs(
    tiny_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil_loss(*arguments: Any) -> Any:
        result = compute_ear_losses(*arguments)
        object.__setattr__(result, "total", result.total * torch.nan)
        return result

    monkeypatch.setattr("rmod_pipeline.training.ear.module.compute_ear_losses", spoil_loss)
    with pytest.raises(ModelError, match=r"training ear: the loss is not finite at step 0; its pairs: train-.*\n"):
        train(tiny_features, tmp_path / "out")
