"""A small recipe of an ear, and functions that train it and read what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.training.ear.train import EarTraining, train_ear
from rmod_pipeline.training.loop.fit import TrainingReport
from rmod_pipeline.training.loop.monitor import ProgressListener
from tests.training.training_examples import CPU

torch.set_num_threads(1)

MODEL = {
    "channels": [2, 2, 4, 4],
    "width": 8,
    "layers": 1,
    "describer_width": 8,
    "describer_layers": 1,
    "description_frames": 8,
    "spectrum": 6,
    "embedding": 4,
}
SCHEDULE = {"batch": 4, "learning_rate": 0.01, "steps": 6, "check_every_steps": 2}


def recipe_content(**changes: Any) -> dict[str, Any]:
    """Return the content of a small recipe with changes; ``schedule`` and ``model`` are merged."""
    schedule = {**SCHEDULE, **changes.pop("schedule", {})}
    model = {**MODEL, **changes.pop("model", {})}
    return {"name": "small-ear", "instruments": ["kick", "snare"], "model": model, "schedule": schedule, **changes}


def make_recipe(**changes: Any) -> EarRecipe:
    return EarRecipe.model_validate(recipe_content(**changes))


def write_recipe(folder: Path, **changes: Any) -> Path:
    """Write a small recipe to a file and return its path."""
    path = folder / "small-ear.yaml"
    path.write_text(yaml.safe_dump({"kind": "ear", **recipe_content(**changes)}))
    return path


def train(data: Path, out: Path, listener: ProgressListener | None = None, **options: Any) -> TrainingReport:
    """Train a small recipe; ``changes`` are those of the recipe, all other options those of EarTraining."""
    changes = options.pop("changes", {})
    options.setdefault("machine", CPU)
    (report,) = train_ear(EarTraining(recipe=make_recipe(**changes), data=data, out=out, **options), listener)
    return report
