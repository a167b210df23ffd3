"""A small recipe, and functions that train its models and read what they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import yaml

from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.loop.fit import TrainingReport
from rmod_pipeline.training.loop.trainer import DeviceSettings

torch.set_num_threads(1)

Rmod = Callable[..., Any]

MODEL = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 32, "dropout": 0.1, "condition_frames": 44}

SCHEDULE = {"batch": 4, "learning_rate": 0.01, "steps": 6, "check_every_steps": 2}

CPU = DeviceSettings(device="cpu")


def recipe_content(**changes: Any) -> dict[str, Any]:
    """Return the content of a small recipe with changes; ``schedule`` and ``model`` are merged."""
    schedule = {**SCHEDULE, **changes.pop("schedule", {})}
    model = {**MODEL, **changes.pop("model", {})}
    return {"name": "small", "instruments": ["kick"], "model": model, "schedule": schedule, **changes}


def make_recipe(**changes: Any) -> DoseRecipe:
    return DoseRecipe.model_validate(recipe_content(**changes))


def write_recipe(folder: Path, **changes: Any) -> Path:
    """Write a small recipe to a file and return its path."""
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(recipe_content(**changes)))
    return path


def train_models(data: Path, out: Path, **options: Any) -> list[TrainingReport]:
    """Train a small recipe; ``changes`` are those of the recipe, all other options those of TrainingConfig."""
    changes = options.pop("changes", {})
    options.setdefault("machine", CPU)
    return list(train_dose(TrainingConfig(recipe=make_recipe(**changes), data=data, out=out, **options)))


def assert_refused(rmod: Rmod, recipe: Path, data: Path, out: Path, options: list[str], message: str) -> None:
    """Assert that a training ends with this message before it writes anything."""
    run = rmod("train", recipe, "--data", data, "--out", out, "--device", "cpu", *options)
    assert run.code == 2
    assert message in " ".join(run.err.split()).replace(", which reads features and no tokens", "")
    assert "Traceback" not in run.err
    assert "=True" not in run.err, "a hint for Python callers"
    assert not out.exists()


def read_state(out: Path, name: str = "kick") -> dict[str, Any]:
    """Return the state from which the training of a model resumes."""
    return dict(torch.load(out / name / "last.ckpt", weights_only=True))
