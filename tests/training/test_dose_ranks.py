"""Training on two ranks: equal steps with uneven shards, and an error on one rank ends both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.pipeline.configure import add_features
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.training.loop.fit import TrainingReport
from tests.tiny_build import PATIENCE_SECONDS, RATE, make_job, on_disk
from tests.tiny_codec import save_tiny, with_tokens
from tests.training.ear import ear_examples
from tests.training.training_examples import make_recipe, read_state, train_models

SCRIPT = """
import sys
from pathlib import Path
import torch
from rmod_pipeline.training.loop.checkpointing import Checkpointing
from rmod_pipeline.training.loop.trainer import DeviceSettings

torch.set_num_threads(1)
kind, recipe, data, out, report_path = sys.argv[1:]
if kind == "dose":
    from rmod_pipeline.dose.recipe import DoseRecipe as Recipe
    from rmod_pipeline.training.dose.module import DoseModule as Module
    from rmod_pipeline.training.dose.train import TrainingConfig as Training, train_dose as train
    loss = "full"
else:
    from rmod_pipeline.ear.recipe import EarRecipe as Recipe
    from rmod_pipeline.training.ear.module import EarModule as Module
    from rmod_pipeline.training.ear.train import EarTraining as Training, train_ear as train
    loss = "description"
keys, write_checkpoints, validation_step = [], Checkpointing.on_train_epoch_end, Module.validation_step

def count_keys(module, batch, index):
    keys.append(len(batch.keys))
    return validation_step(module, batch, index)

def report(callback, trainer, module):
    write_checkpoints(callback, trainer, module)
    with open(f"{report_path}-{trainer.global_rank}", "a") as file:
        print(trainer.global_step, sum(keys), len(keys), module.held_out["all"][loss], file=file)
    keys.clear()

Module.validation_step, Checkpointing.on_train_epoch_end = count_keys, report
training = Training(recipe=Recipe.model_validate_json(recipe), data=Path(data), out=Path(out),
                    machine=DeviceSettings(device="cpu", devices=2))
for report in train(training):
    (baseline,) = report.baselines.values()
    print(report.steps, report.ended, baseline["all"][loss])
"""


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """A data set of 7 and 3 pairs in shards of 3, with tokens and features."""
    folder = tmp_path_factory.mktemp("uneven")
    job = add_features(make_job(tiny_manifest, folder / "out", counts={"train": 7, "valid": 3}))
    run_build(with_tokens(job, save_tiny(folder / "tiny.pth", sample_rate=RATE)), local_executor(1), BuildProgress())
    return on_disk(job.out)


def train_dose_alone(data: Path, out: Path, **options: Any) -> TrainingReport:
    (report,) = train_models(data, out, **options)
    return report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "make", "train_alone", "model", "loss"),
    [
        ("dose", make_recipe, train_dose_alone, "kick.pth", "full"),
        pytest.param(
            *("ear", ear_examples.make_recipe, ear_examples.train, "ear.pth", "description"), marks=pytest.mark.long
        ),
    ],
)
def test_two_ranks_with_uneven_shards_take_the_same_steps(
    kind: str, make: Callable[..., Any], train_alone: Callable[..., TrainingReport], model: str, loss: str,
    uneven: Path, tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "ranks.py").write_text(SCRIPT)
    recipe = make(schedule={"batch": 2})
    out, report_path = tmp_path / "out", tmp_path / "report"
    command = [sys.executable, tmp_path / "ranks.py", kind, recipe.model_dump_json(), uneven, out, report_path]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert run.returncode == 0, run.stderr
    steps, ended, baseline = run.stdout.rsplit(maxsplit=1)[0].split(maxsplit=1) + run.stdout.split()[-1:]
    assert (steps, ended) == ("6", "all steps")
    ranks = [
        [line.split() for line in Path(f"{report_path}-{rank}").read_text(encoding="utf-8").splitlines()]
        for rank in range(2)
    ]
    assert [[line[0] for line in rank] for rank in ranks] == [["2", "4", "6"]] * 2
    assert [{(line[1], line[2]) for line in rank} for rank in ranks] == [{("1", "1")}, {("2", "2")}]
    assert [line[3] for line in ranks[0]] == [line[3] for line in ranks[1]], "both ranks have the loss of all pairs"
    # A single rank computes the same baseline, and the same loss of the weights of the best step.
    held_out = {line[0]: float(line[3]) for line in ranks[0]}
    best = json.loads(next(out.glob("*/report.json")).read_bytes())["best"]["step"]
    report = train_alone(
        uneven,
        tmp_path / "alone",
        begin_from=out / model,
        changes={"schedule": {"batch": 2, "learning_rate": 1e-30, "steps": 2}},
    )
    (alone,) = report.baselines.values()
    assert alone["all"][loss] == pytest.approx(float(baseline))
    assert report.best["held_out"]["all"][loss] == pytest.approx(held_out[str(best)], rel=1e-6)


SCRIPT_WITH_NAN = """
import os
import sys
from pathlib import Path
import torch
from rmod_pipeline.errors import DoseError
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.training.dose import module
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.loop.trainer import DeviceSettings

torch.set_num_threads(1)
recipe, data, out, report_path, phase = sys.argv[1:]
rank, steps = os.environ.get("LOCAL_RANK", "0"), []
losses, step = module.compute_losses, module.DoseModule.training_step

def record_keys(self, batch, index):
    steps.append(batch.keys)
    return step(self, batch, index)

def spoil_loss(model, *arguments):
    result = losses(model, *arguments)
    if rank == "1" and len(steps) == 4 and model.training == (phase == "training"):
        for part in ("total", "full"):
            object.__setattr__(result, part, getattr(result, part) * float("nan"))
    return result

module.compute_losses, module.DoseModule.training_step = spoil_loss, record_keys
config = TrainingConfig(recipe=DoseRecipe.model_validate_json(recipe), data=Path(data), out=Path(out),
                        machine=DeviceSettings(device="cpu", devices=2))
try:
    list(train_dose(config))
except DoseError as error:
    Path(f"{report_path}-{rank}").write_text(" ".join(steps[-1]) + "\\n" + str(error))
"""


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("phase", ["training", "validation"])
def test_a_nan_on_one_of_two_ranks_ends_both_and_names_its_pairs(phase: str, uneven: Path, tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(SCRIPT_WITH_NAN)
    out, report_path = tmp_path / "out", tmp_path / "report"
    recipe = make_recipe(schedule={"batch": 2})
    command = [sys.executable, tmp_path / "ranks.py", recipe.model_dump_json(), uneven, out, report_path, phase]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert run.returncode == 0, run.stderr
    keys, errors = zip(
        *(Path(f"{report_path}-{rank}").read_text(encoding="utf-8").split("\n", 1) for rank in range(2)), strict=True
    )
    assert errors[0] == errors[1], "both ranks raise the same error, and neither waits for the other"
    if phase == "training":
        assert f"the loss is not finite at step 3; its pairs: {keys[1]}\n" in errors[0]
    else:
        found = re.search(r"validation loss is not finite at step 4; its pairs: (.*)\n", errors[0])
        assert found is not None
        assert set(found[1].split(", ")) < {f"valid-0000000{pair}" for pair in range(3)}, "the pairs of one rank"
    assert "the latest checkpoint is kept" in errors[0]
    assert read_state(out)["global_step"] == 2
