"""Resuming a training: the result of an uninterrupted one, and a refusal of states that belong to another."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.errors import DoseError, RmodError
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.loop.trainer import DeviceSettings
from tests.training.training_examples import Rmod, read_state, train_models, write_recipe


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_interrupted_training_has_the_result_of_an_uninterrupted_one(
    workers: int, finished_training: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    machine = DeviceSettings(device="cpu", workers=workers)
    if workers:
        finished_training = tmp_path / "whole"
        train_models(tiny_tokens, finished_training, machine=machine)
    parts = tmp_path / "parts"
    stops: list[tuple[int | None, int]] = [(3, 4), (None, 6)] if workers else [(1, 2), (4, 4), (None, 6)]
    for until, step in stops:
        (report,) = train_models(tiny_tokens, parts, until=until, machine=machine)
        assert (report.steps, report.ended) == (step, "" if until else "all steps")
    whole, resumed = read_state(finished_training), read_state(parts)
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    for index, state in whole["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, resumed["optimizer_states"][0]["state"][index][name])
    assert (finished_training / "kick.pth").read_bytes() == (parts / "kick.pth").read_bytes()
    assert (finished_training / "kick" / "report.json").read_bytes() == (parts / "kick" / "report.json").read_bytes()


@pytest.mark.parametrize("schedule", [{}, {"optimizer": "muon", "weight_decay": 0.01}])
def test_a_model_of_several_instruments_resumes_exactly(
    schedule: dict[str, Any], tiny_tokens: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    changes = {"instruments": ["kick", "snare"], "one_model": True, "schedule": schedule}
    train_models(tiny_tokens, whole, changes=changes)
    for until in (2, None):
        train_models(tiny_tokens, parts, changes=changes, until=until)
    first, second = read_state(whole, "kick-snare"), read_state(parts, "kick-snare")
    assert first["global_step"] == second["global_step"] == 6
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name]), name
    for name in ("kick-snare.pth", "kick-snare/report.json", "kick-snare/unigram.json"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name


def test_a_training_resumes_after_a_signal(
    finished_training: Path, tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "models"
    command = ["train", write_recipe(tmp_path), "--data", tiny_tokens, "--out", out, "--workers", 0, "--device", "cpu"]
    step = DoseModule.training_step

    def interrupt(module: DoseModule, batch: Any, index: int) -> Any:
        if module.global_step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(module, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(DoseModule, "training_step", interrupt)
        result = rmod(*command)
    assert result.code == 130
    assert "resumes when its command is given again" in result.err
    assert "Traceback" not in result.err
    assert read_state(out)["global_step"] == 2
    result = rmod(*command)
    assert result.code == 0
    assert "kick: resumed from step 2" in result.err
    assert (finished_training / "kick.pth").read_bytes() == (out / "kick.pth").read_bytes()


def test_a_warning_names_changed_workers_and_versions(
    tiny_tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    train_models(tiny_tokens, out, until=2)
    train_models(tiny_tokens, out, until=4)
    assert "resumes" not in caplog.text
    state = read_state(out)
    state["rmod_training"]["versions"]["torch"] = "1.0"
    torch.save(state, out / "kick" / "last.ckpt")
    train_models(tiny_tokens, out, machine=DeviceSettings(device="cpu", workers=1))
    (warning,) = [record.getMessage() for record in caplog.records if "resumes" in record.getMessage()]
    assert "kick resumes in another environment: workers 1 instead of 0, torch" in warning
    assert "instead of 1.0" in warning
    train_models(tiny_tokens, out)
    assert caplog.text.count("resumes") == 1, "a finished training does not resume"


def test_a_state_has_the_keys_that_earlier_versions_wrote(finished_training: Path) -> None:
    state = read_state(finished_training)
    assert state["callbacks"]["Keeper"] == {"best": state["callbacks"]["Keeper"]["best"], "ended": "all steps"}
    assert set(state["rmod_training"]) == {"version", "recipe", "instruments", "codec", "machine", "versions"}


class _FolderMaker:
    """An object that makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made",)


def test_no_code_in_a_file_is_run(
    finished_training: Path, tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(shutil.copytree(finished_training, tmp_path / "out"))
    torch.save({**read_state(out), "callbacks": {"object": _FolderMaker()}}, out / "kick" / "last.ckpt")
    with pytest.raises(
        DoseError, match=r"last\.ckpt: not plain weights.*refused\n.*start this training from the beginning"
    ):
        train_models(tiny_tokens, out)
    torch.save(_FolderMaker(), tmp_path / "kick.pth")
    with pytest.raises(DoseError, match=r"kick\.pth: not plain weights.*refused"):
        train_models(tiny_tokens, tmp_path / "other", begin_from=tmp_path / "kick.pth")
    assert not (tmp_path / "made").exists()
    pickle.loads(pickle.dumps(_FolderMaker()))
    assert (tmp_path / "made").exists(), "the object makes no folder, so the test proves nothing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": {"learning_rate": 0.02}}, r"recipe\.schedule\.learning_rate: existing 0\.01, requested 0\.02"),
        ({"model": {"width": 32}}, r"recipe\.model\.width: existing 16, requested 32"),
        ({"instruments": ["kick", "snare"]}, r"recipe\.instruments: "),
    ],
)
def test_resuming_with_another_recipe_is_refused(
    changes: dict[str, Any], message: str, finished_training: Path, tiny_tokens: Path
) -> None:
    with pytest.raises(RmodError, match=message):
        train_models(tiny_tokens, finished_training, changes=changes)


def test_resuming_with_other_data_or_codec_is_refused(
    finished_training: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    run = json.loads((finished_training / "run.json").read_bytes())
    run["data"]["seed"], run["codec"]["sha256"] = 7, "f" * 64
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(RmodError, match=r'data\.seed: existing 7, requested 0[\s\S]*codec\.sha256: existing "fff'):
        train_models(tiny_tokens, tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(DoseError, match="does not say what was trained here"):
        train_models(tiny_tokens, tmp_path)


def _change_class(state: dict[str, Any]) -> None:
    state["rmod_training"]["instruments"] = ["snare"]


def _change_codec(state: dict[str, Any]) -> None:
    state["rmod_training"]["codec"]["codebooks"] = 4


def _change_size(state: dict[str, Any]) -> None:
    state["state_dict"]["model.norm.weight"] = torch.ones(32)


def _insert_nan(state: dict[str, Any]) -> None:
    state["state_dict"]["model.norm.weight"][3] = math.nan


def _remove_identity(state: dict[str, Any]) -> None:
    del state["rmod_training"]


def _remove_loops(state: dict[str, Any]) -> None:
    del state["loops"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_change_class, r'instruments\.0: existing "snare", requested "kick"'),
        (_change_codec, r"codec\.codebooks: existing 4, requested 9"),
        (_change_size, r"its weights belong to another model: model\.norm\.weight"),
        (_insert_nan, r"NaN or infinite weights in model\.norm\.weight"),
        (_remove_identity, "not the state of a training of this version of rmod"),
        (_remove_loops, "not the complete state of a training"),
    ],
)
def test_the_state_of_another_training_is_refused(
    change: Callable[[dict[str, Any]], None], message: str, finished_training: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished_training, tmp_path / "out"))
    state = read_state(out)
    change(state)
    torch.save(state, out / "kick" / "last.ckpt")
    with pytest.raises(RmodError, match=message):
        train_models(tiny_tokens, out)
    (out / "kick" / "last.ckpt").write_bytes(b"half a file")
    with pytest.raises(
        DoseError, match=r"last\.ckpt: text, not [\s\S]*remove it to start this training from the beginning"
    ):
        train_models(tiny_tokens, out)
