"""Resuming the training of an ear: the result of an uninterrupted one, and a refusal of states of others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.errors import RmodError
from rmod_pipeline.training.loop.trainer import DeviceSettings
from tests.training.ear.ear_examples import train
from tests.training.training_examples import read_state


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_training_has_the_result_of_an_uninterrupted_one(
    workers: int, trained_ear: Path, tiny_features: Path, tmp_path: Path
) -> None:
    machine = DeviceSettings(device="cpu", workers=workers)
    if workers:
        trained_ear = tmp_path / "whole"
        train(tiny_features, trained_ear, machine=machine)
    parts = tmp_path / "parts"
    for until, step in ((1, 2), (4, 4), (None, 6)):
        report = train(tiny_features, parts, until=until, machine=machine)
        assert (report.steps, report.ended) == (step, "" if until else "all steps")
    whole, resumed = read_state(trained_ear, "ear"), read_state(parts, "ear")
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    for index, state in whole["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, resumed["optimizer_states"][0]["state"][index][name])
    for name in ("ear.pth", "ear/report.json", "ear/mean.json"):
        assert (trained_ear / name).read_bytes() == (parts / name).read_bytes(), name


def test_a_state_names_what_identifies_the_training(trained_ear: Path) -> None:
    state = read_state(trained_ear, "ear")
    assert set(state["rmod_training"]) == {"version", "recipe", "instruments", "features", "machine", "versions"}
    assert state["callbacks"]["Keeper"]["ended"] == "all steps"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": {"learning_rate": 0.02}}, r"recipe\.schedule\.learning_rate: existing 0\.01, requested 0\.02"),
        ({"loss": {"hits": 3}}, r"recipe\.loss\.hits: existing 10\.0, requested 3"),
    ],
)
def test_resuming_with_another_recipe_is_refused(
    changes: dict[str, Any], message: str, trained_ear: Path, tiny_features: Path
) -> None:
    with pytest.raises(RmodError, match=message):
        train(tiny_features, trained_ear, changes=changes)


def test_the_state_of_other_features_is_refused(trained_ear: Path, tiny_features: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(trained_ear, tmp_path / "out"))
    state = read_state(out, "ear")
    state["rmod_training"]["features"]["lowest_hz"] = 20.0
    torch.save(state, out / "ear" / "last.ckpt")
    with pytest.raises(RmodError, match=r"features\.lowest_hz: existing 20\.0, requested 30\.0"):
        train(tiny_features, out)


def test_a_folder_of_dose_is_refused(tiny_features: Path, tmp_path: Path) -> None:
    of_dose = {"recipe": {"name": "laptop"}, "data": {}, "codec": {}, "begun_from": None, "versions": {}}
    (tmp_path / "run.json").write_text(json.dumps(of_dose))
    with pytest.raises(RmodError, match=r"another training .*that of the recipe laptop[\s\S]*choose another --out"):
        train(tiny_features, tmp_path)
