"""Logging to Weights & Biases: a run per model, which a resumed training continues."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rmod_pipeline.errors import DoseError, UsageError
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.loop import fit as train
from tests.training.training_examples import train_models


def test_an_error_says_that_wandb_is_not_installed(
    tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "find_spec", lambda _name: None)
    with pytest.raises(UsageError, match="Weights & Biases is not installed"):
        train_models(tiny_tokens, tmp_path / "out", wandb="drums")
    assert not (tmp_path / "out").exists()


class _WandbRun:
    """A stand-in for a run at Weights & Biases."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.finished = options, False
        self.config: dict[str, Any] = {}
        self.steps: list[int] = []

    def log(self, metrics: dict[str, Any]) -> None:
        assert not self.finished
        self.steps.append(metrics["trainer/global_step"])

    def finish(self) -> None:
        self.finished, sys.modules["wandb"].run = True, None  # type: ignore[attr-defined]


@pytest.fixture
def wandb_runs(monkeypatch: pytest.MonkeyPatch) -> list[_WandbRun]:
    """Replace wandb by a module with one open run at a time, like wandb; return the runs that it opens."""
    from lightning.pytorch.loggers import wandb as logger

    runs: list[_WandbRun] = []
    names = ("wandb", "wandb.sdk", "wandb.sdk.lib", "wandb.wandb_run")
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}

    def init(**options: Any) -> _WandbRun:
        assert modules["wandb"].run is None, "the previous run is still open"
        runs.append(_WandbRun(options))
        modules["wandb"].run = runs[-1]
        return runs[-1]

    modules["wandb"].run, modules["wandb"].init = None, init
    modules["wandb"].__spec__ = ModuleSpec("wandb", None)
    modules["wandb.sdk.lib"].RunDisabled = modules["wandb.wandb_run"].Run = type("Run", (), {})
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(logger, "_WANDB_AVAILABLE", True)
    return runs


def test_each_model_has_its_own_run_and_a_resume_continues_it(
    wandb_runs: list[_WandbRun], tiny_tokens: Path, tmp_path: Path
) -> None:
    out, changes = tmp_path / "out", {"instruments": ["kick", "snare"]}
    train_models(tiny_tokens, out, changes=changes, until=2, wandb="drums")
    train_models(tiny_tokens, out, changes=changes, wandb="drums")
    assert [run.options["name"] for run in wandb_runs] == ["kick", "snare", "kick", "snare"]
    ids = [run.options["id"] for run in wandb_runs]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    assert {(run.options["project"], run.options["resume"], run.finished) for run in wandb_runs} == {
        ("drums", "allow", True)
    }
    assert [max(run.steps) for run in wandb_runs] == [2, 2, 6, 6]
    # Started again it is another training, which must not log over the steps of the first.
    (out / "kick" / "last.ckpt").unlink()
    train_models(tiny_tokens, out, changes=changes, instrument="kick", until=2, wandb="drums")
    assert wandb_runs[-1].options["id"] not in ids


def test_a_failed_training_finishes_its_run(
    wandb_runs: list[_WandbRun], tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any) -> None:
        raise DoseError("training", "broken", "")

    monkeypatch.setattr(DoseModule, "training_step", fail)
    with pytest.raises(DoseError, match="broken"):
        train_models(tiny_tokens, tmp_path / "out", wandb="drums")
    assert [run.finished for run in wandb_runs] == [True]
