"""Training an ear: it learns every instrument, the command, its files, first weights, its baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rmod_pipeline.ear.checkpoint import load_ear_model, read_ear_checkpoint
from rmod_pipeline.ear.loss import LOSS_PARTS, compute_ear_losses
from rmod_pipeline.ear.model import Ear, describe_levels
from rmod_pipeline.errors import ModelError
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.shards.windows.feature_family import choose_features
from rmod_pipeline.training.ear.examples import ExampleMaker, KeyedBatch, collate
from rmod_pipeline.training.loop.monitor import ProgressListener
from tests.training.ear.ear_examples import MODEL, make_recipe, train, write_recipe
from tests.training.training_examples import Rmod, read_state


def _measure(model: Ear, data: Path) -> Mapping[str, Tensor]:
    """Return the losses of a model on the train split: each [instruments]."""
    recipe = make_recipe()
    maker = ExampleMaker.of(recipe)
    batch = collate([maker(0, pair)[0] for pair in load_features(data, "train")])
    assert isinstance(batch, KeyedBatch)
    with torch.no_grad():
        return compute_ear_losses(model.eval(), batch.to_ear(), recipe.loss).parts


def test_the_losses_of_every_instrument_fall(tiny_features: Path, tmp_path: Path) -> None:
    schedule = {"steps": 60, "check_every_steps": 30}
    train(tiny_features, tmp_path, changes={"schedule": schedule})
    recipe = make_recipe()
    torch.manual_seed(recipe.seed)
    model = Ear(recipe.model, recipe.instruments)
    before = _measure(model, tiny_features)
    states = read_state(tmp_path, "ear")["state_dict"]
    model.load_state_dict({name.removeprefix("model."): value for name, value in states.items()})
    after = _measure(model, tiny_features)
    for part in LOSS_PARTS:
        for index, name in enumerate(recipe.instruments):
            assert after[part][index] < before[part][index], (part, name)


def test_the_command_writes_its_files(
    tiny_features: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rmod_pipeline.progress.LINE_SECONDS", 0)
    out = tmp_path / "models"
    command = ["train", write_recipe(tmp_path), "--data", tiny_features, "--out", out, "--workers", 0]
    result = rmod(*command, "--device", "cpu")
    assert result.code == 0, result.err
    lines = [line for line in result.err.splitlines() if "held-out loss" in line]
    assert [line.partition(":")[0] for line in lines] == [f"step {step} of 6" for step in (2, 4, 6)]
    for word in ("(hits ", ", description ", ", contrast ", "steps/s", "pairs/s", "waiting for data"):
        assert word in lines[0]
    assert "ear: 6 steps, all steps; best at step" in result.out
    for instrument in ("all", "kick", "snare"):
        assert f"held-out loss, {instrument}: model " in result.out
    assert result.out.count("; mean description ") == 3

    checkpoint = read_ear_checkpoint(out / "ear.pth")
    assert checkpoint.recipe.instruments == ("kick", "snare")
    assert checkpoint.features == choose_features(tiny_features).mel
    report = json.loads((out / "ear" / "report.json").read_bytes())
    assert checkpoint.progress == report["best"]
    assert list(report["best"]["held_out"]["all"]) == ["total", *LOSS_PARTS]
    load_ear_model(checkpoint)
    run = json.loads((out / "run.json").read_bytes())
    assert set(run) == {"recipe", "data", "features", "begun_from", "versions"}
    assert run["data"]["pairs"] == {"train": 10, "valid": 2}
    assert list((out / "ear" / "log").glob("events.*"))
    assert not (out / "drafts").exists()

    repeated = rmod(*command, "--device", "cpu")
    assert (repeated.code, repeated.out) == (0, result.out), "a finished training is reported again, not trained again"


def test_the_best_model_has_the_lowest_total(trained_ear: Path, tiny_features: Path, tmp_path: Path) -> None:
    totals: dict[int, float] = {}
    listener = ProgressListener(validated=lambda state, losses: totals.__setitem__(state.step, losses["all"]["total"]))
    report = train(tiny_features, tmp_path, listener)
    assert report.best["step"] == min(totals, key=lambda step: totals[step])
    assert report.best["held_out"]["all"]["total"] == min(totals.values())
    weights = {"hits": 10.0, "description": 10.0, "spectrum": 4.0, "contrast": 0.3}
    for losses in report.best["held_out"].values():
        assert losses["total"] == pytest.approx(sum(weight * losses[name] for name, weight in weights.items()))
    both = [report.best["held_out"][name]["total"] for name in ("kick", "snare")]
    assert report.best["held_out"]["all"]["total"] == pytest.approx(sum(both) / 2)


def test_the_baseline_describes_every_one_shot_by_the_mean(trained_ear: Path, tiny_features: Path) -> None:
    mean = json.loads((trained_ear / "ear" / "mean.json").read_bytes())
    frames = int(str(MODEL["description_frames"]))
    expected = []
    for name in ("kick", "snare"):
        train_levels, valid_levels = (
            describe_levels(
                torch.from_numpy(np.stack([pair["levels"][name] for pair in load_features(tiny_features, split)])),
                frames,
            )
            for split in ("train", "valid")
        )
        difference = valid_levels - train_levels.double().mean(0)
        expected.append(float((difference.square() + 0.2 * difference.abs()).mean()))
        assert mean[name] == {"description": pytest.approx(expected[-1], rel=1e-5)}
    assert mean["all"]["description"] == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_a_training_can_start_with_the_weights_of_a_checkpoint(
    trained_ear: Path, tiny_features: Path, tmp_path: Path
) -> None:
    changes = {"schedule": {"learning_rate": 1e-30, "steps": 2}}
    report = train(tiny_features, tmp_path / "out", begin_from=trained_ear / "ear.pth", changes=changes)
    first, second = read_ear_checkpoint(trained_ear / "ear.pth"), read_ear_checkpoint(report.model)
    assert all(torch.equal(value, second.state[name]) for name, value in first.state.items())
    run = json.loads((tmp_path / "out" / "run.json").read_bytes())
    assert run["begun_from"] == first.sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"width": 16}}, "a model with width 8, the recipe asks for 16"),
        ({"instruments": ["snare", "kick"]}, "hears kick, snare, the recipe has snare, kick"),
    ],
)
def test_first_weights_that_do_not_fit_are_refused(
    changes: dict[str, object], message: str, trained_ear: Path, tiny_features: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        train(tiny_features, tmp_path / "out", begin_from=trained_ear / "ear.pth", changes=changes)
    assert not (tmp_path / "out").exists()
