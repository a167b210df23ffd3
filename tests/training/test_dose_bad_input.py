"""Errors of a training of DOSE: unusable recipes and devices, damaged tokens, and losses that are not finite."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.dose.checkpoint import read_dose_checkpoint
from rmod_pipeline.dose.loss import compute_losses
from rmod_pipeline.errors import DoseError
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import encode_codes
from rmod_pipeline.training.dose import module as module_room
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.loop.trainer import DeviceSettings, detect_devices
from tests.tiny_build import on_disk
from tests.training.training_examples import Rmod, assert_refused, read_state, train_models, write_recipe


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({"instruments": ["kick", "clap"]}, [], "no tokens of clap; there are kick, snare -> remove clap"),
        ({"model": {"codebooks": 4}}, [], "tokens of codebooks 9, the recipe small has model.codebooks 4"),
        ({"model": {"codebook_size": 512}}, [], "codebook size 1024, the recipe small has"),
        ({"model": {"condition_frames": 345}}, [], "condition frames 44, the recipe small has"),
        ({"target_frames": {"kick": 40}}, [], "kick in windows of 90 frames, the recipe's are 40 ->"),
        ({}, ["--instrument", "kik"], "--instrument kik: the recipe small has no such instrument (did"),
        ({}, ["--codec", "dac"], "no tokens of dac; there are tiny-"),
        (
            {"instruments": ["kick", "snare"], "one_model": True},
            ["--instrument", "kick"],
            "makes one model for kick, snare -> leave it out",
        ),
    ],
)
def test_an_error_names_bad_input_and_a_remedy(
    changes: dict[str, Any], options: list[str], message: str, tiny_tokens: Path, tmp_path: Path, rmod: Rmod
) -> None:
    assert_refused(rmod, write_recipe(tmp_path, **changes), tiny_tokens, tmp_path / "models", options, message)


def test_an_error_names_a_folder_that_cannot_be_written(tiny_tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DoseError, match=r"file/out/run\.json: cannot be written"):
        train_models(tiny_tokens, tmp_path / "file" / "out")


def test_a_missing_gpu_is_an_error(tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(DoseError, match="0 GPUs that this torch can use, 1 asked for"):
        train_models(tiny_tokens, tmp_path / "out", machine=DeviceSettings(device="cuda"))


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (1, "cuda")])
def test_auto_uses_a_gpu_that_torch_supports(gpus: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert detect_devices(DeviceSettings(workers=3)) == DeviceSettings(device=device, workers=3)
    assert detect_devices(DeviceSettings(device="cpu", devices=2)).devices == 2


def test_auto_refuses_more_devices_than_there_are(
    tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DoseError, match="--device auto: 1 GPUs that this torch can use, 2 asked for"):
        train_models(tiny_tokens, tmp_path / "out", machine=DeviceSettings(devices=2))
    assert not (tmp_path / "out").exists()


def test_torchrun_decides_the_number_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCHELASTIC_RUN_ID", "some"), ("LOCAL_WORLD_SIZE", "4"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    settings = detect_devices(DeviceSettings(device="cpu"))
    assert (settings.devices, settings.nodes, settings.world_size) == (4, 2, 8)


@pytest.mark.parametrize("option", ["--out", "--begin-from"])
def test_models_cannot_be_on_an_object_store(
    option: str, bucket: Any, tiny_tokens: Path, tmp_path: Path, rmod: Rmod
) -> None:
    arguments = {"--data": tiny_tokens, "--out": tmp_path / "out", option: f"{bucket}/kick.pth"}
    run = rmod("train", write_recipe(tmp_path), *(part for each in arguments.items() for part in each))
    assert run.code == 2
    assert f"{bucket}/kick.pth is on an object store" in run.err
    assert not (tmp_path / "out").exists()


def _write_code_out_of_range(data: Path) -> None:
    """Write a code that is out of range into a pair of the second shard, and update its receipt."""
    (name,) = family_names(data)
    layout, family = Layout(data), f"tokens/{name}"
    tar, receipt = layout.tar("train-000001", family), layout.receipt("train-000001", family)
    pairs = list(read_tar(tar))
    with TarWriter(on_disk(tar)) as writer:
        for key, members in pairs:
            codes = torch.full((9, 90), 1024).numpy().astype("uint16")
            writer.add(key, {**members, "kick.npy": encode_codes(codes)} if key == "train-00000004" else members)
    content = json.loads(receipt.read_bytes())
    content["files"][0]["bytes"] = tar.stat().st_size
    on_disk(receipt).write_text(json.dumps(content))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_code_out_of_range_is_found_before_the_first_step(
    workers: int, data_copy: Path, tmp_path: Path, rmod: Rmod
) -> None:
    """In a worker too, from which torch alone would print a traceback."""
    _write_code_out_of_range(data_copy)
    out = tmp_path / "models"
    run = rmod(
        "train", write_recipe(tmp_path), "--data", data_copy, "--out", out, "--device", "cpu", "--workers", workers
    )
    assert run.code == 2
    assert "train-00000004.kick.npy: [9, 90] with codes up to 1024" in run.err
    assert "Traceback" not in run.err
    assert not (out / "kick" / "last.ckpt").exists()


def test_a_loss_that_is_not_finite_stops_the_training_and_names_the_pairs(
    tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []
    losses, batch_start = compute_losses, DoseModule.on_train_batch_start

    def record_batch(module: DoseModule, batch: Any, index: int) -> None:
        batches.append(batch.keys)
        batch_start(module, batch, index)

    def spoil_loss(model: Any, pairs: Any, settings: Any) -> Any:
        result = losses(model, pairs, settings)
        if model.training and len(batches) == 4:
            object.__setattr__(result, "total", result.total * math.nan)
        return result

    monkeypatch.setattr(module_room, "compute_losses", spoil_loss)
    monkeypatch.setattr(DoseModule, "on_train_batch_start", record_batch)
    out = tmp_path / "models"
    run = rmod("train", write_recipe(tmp_path), "--data", tiny_tokens, "--out", out, "--workers", 0, "--device", "cpu")
    assert run.code == 2
    assert "the loss is not finite at step 3; its pairs: " + ", ".join(batches[3]) in run.err
    assert "Traceback" not in run.err
    assert read_state(out)["global_step"] == 2
    assert all(bool(torch.isfinite(each).all()) for each in read_dose_checkpoint(out / "kick.pth").state.values())


def test_without_a_checkpoint_the_hint_promises_none(
    tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = compute_losses

    def spoil_loss(*arguments: Any) -> Any:
        result = losses(*arguments)
        object.__setattr__(result, "total", result.total * math.nan)
        return result

    monkeypatch.setattr(module_room, "compute_losses", spoil_loss)
    with pytest.raises(DoseError, match=r"not finite at step 0; its pairs: train-.*\n  -> check these pairs"):
        train_models(tiny_tokens, tmp_path / "out")


@pytest.mark.parametrize(("after", "hint"), [(2, "check these"), (4, "the latest checkpoint is kept; check these")])
def test_a_validation_loss_that_is_not_finite_names_its_pairs(
    after: int, hint: str, tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, step = compute_losses, DoseModule.validation_step
    module: list[DoseModule] = []

    def record_module(self: DoseModule, batch: Any, index: int) -> None:
        module[:] = [self]
        step(self, batch, index)

    def spoil_loss(model: Any, *arguments: Any) -> Any:
        result = losses(model, *arguments)
        if not model.training and module[0].global_step == after:
            object.__setattr__(result, "full", result.full * math.nan)
        return result

    monkeypatch.setattr(module_room, "compute_losses", spoil_loss)
    monkeypatch.setattr(DoseModule, "validation_step", record_module)
    message = rf"validation loss is not finite at step {after}; its pairs: valid-00000000, valid-00000001\n  -> {hint}"
    with pytest.raises(DoseError, match=message):
        train_models(tiny_tokens, tmp_path / "out")
    assert (tmp_path / "out" / "kick" / "last.ckpt").exists() == hint.startswith("the latest")
