"""Training DOSE: the command, its files, first weights, early stopping, and a training from sound to sound."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, read_dose_checkpoint, write_checkpoint
from rmod_pipeline.dose.recipe import load_dose_recipe
from rmod_pipeline.errors import CodecError, DoseError, RmodError
from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.extractor import open_extractors
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.reading.loader import load_audio, load_tokens
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.training.dose.train import TrainingConfig, choose_models, train_dose
from rmod_pipeline.training.loop.fit import _describe_os_error
from rmod_pipeline.training.loop.monitor import ProgressListener
from tests.tiny_build import RATE
from tests.tiny_codec import save_tiny
from tests.training.training_examples import CPU, Rmod, make_recipe, read_state, train_models, write_recipe


def test_a_training_learns_and_writes_its_files(
    tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without a terminal, progress is a line per interval of time: here at every step.
    monkeypatch.setattr("rmod_pipeline.progress.LINE_SECONDS", 0)
    out = tmp_path / "models"
    changes = {"instruments": ["kick", "snare"], "one_model": True, "schedule": {"precision": "bf16"}}
    command = ["train", write_recipe(tmp_path, **changes), "--data", tiny_tokens, "--out", out, "--workers", 0]
    result = rmod(*command, "--device", "cpu")
    assert result.code == 0, result.err
    steps = [
        line.partition(":")[0] for line in result.err.splitlines() if line.startswith("step") and "held" not in line
    ]
    assert steps == [f"step {step} of 6" for step in range(1, 7)]
    lines = [line for line in result.err.splitlines() if "held-out loss" in line]
    assert [line.partition(":")[0] for line in lines] == [f"step {step} of 6" for step in (2, 4, 6)]
    held_out = [float(line.split("held-out loss ")[1].split()[0]) for line in lines]
    assert held_out == sorted(held_out, reverse=True)
    assert held_out[-1] < held_out[0] - 0.5
    assert "steps/s" in lines[0]
    assert "tokens/s" in lines[0]
    assert "waiting for data" in lines[0]
    for instrument in ("all", "kick", "snare"):
        assert f"held-out loss, {instrument}: model " in result.out
    assert result.out.count("unigram") == 3

    checkpoint = read_dose_checkpoint(out / "kick-snare.pth")
    assert checkpoint.instruments == ("kick", "snare")
    assert checkpoint.progress["step"] == 6
    assert checkpoint.codec["name"] == family_names(tiny_tokens)[0]
    load_dose_model(checkpoint)
    run = json.loads((out / "run.json").read_bytes())
    assert run["recipe"]["schedule"]["precision"] == "bf16"
    assert run["data"]["pairs"] == {"train": 10, "valid": 2}
    assert {"rmod", "torch", "lightning", "python"} <= set(run["versions"])
    assert str(tmp_path) not in (out / "run.json").read_text()
    report = json.loads((out / "kick-snare" / "report.json").read_bytes())
    assert (report["steps"], report["ended"]) == (6, "all steps")
    assert report["best"]["held_out"]["all"]["full"] == pytest.approx(held_out[-1], abs=1e-3)
    assert set(report["unigram"]) == {"all", "kick", "snare"}
    assert list((out / "kick-snare" / "log").glob("events.*"))
    assert not (out / "drafts").exists()

    before = (out / "kick-snare.pth").read_bytes()
    repeated = rmod(*command, "--device", "cpu")
    assert (repeated.code, repeated.out) == (0, result.out), "a finished training is reported again, not trained again"
    assert "step" not in repeated.err
    assert (out / "kick-snare.pth").read_bytes() == before


def test_patience_ends_a_training_permanently(tiny_tokens: Path, tmp_path: Path) -> None:
    changes = {"schedule": {"learning_rate": 1e-30, "patience": 1, "steps": 20}}
    (report,) = train_models(tiny_tokens, tmp_path, changes=changes)
    assert (report.steps, report.ended, report.best["step"]) == (4, "patience", 2)
    (report,) = train_models(tiny_tokens, tmp_path, changes=changes)
    assert (report.steps, report.ended) == (4, "patience")


def test_a_training_can_start_from_the_codebooks(
    tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    changes = {"schedule": {"begin": "codebooks"}}
    command = ["train", write_recipe(tmp_path, **changes), "--data", tiny_tokens, "--workers", 0, "--device", "cpu"]
    unknown = rmod(*command, "--out", tmp_path / "unknown")
    assert unknown.code == 2
    assert "give the path of its weights: --codec PATH" in " ".join(unknown.err.split())
    result = rmod(*command, "--out", tmp_path / "out", "--codec", tiny_weights)
    assert result.code == 0, result.err
    another = save_tiny(tmp_path / "another.pth", seed=5, sample_rate=RATE)
    other = rmod(*command, "--out", tmp_path / "other", "--codec", another)
    assert other.code == 2
    assert "made with sha256" in other.err


def test_a_training_can_start_with_the_weights_of_a_checkpoint(
    finished_training: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    options = {
        "begin_from": finished_training / "kick.pth",
        "changes": {"schedule": {"learning_rate": 1e-30, "steps": 2}},
    }
    (report,) = train_models(tiny_tokens, tmp_path / "out", **options)
    first = read_dose_checkpoint(finished_training / "kick.pth")
    trained = read_dose_checkpoint(report.model)
    assert all(torch.equal(value, trained.state[name]) for name, value in first.state.items())
    with pytest.raises(RmodError, match=r"begun_from: existing .* requested nothing"):
        train_models(tiny_tokens, tmp_path / "out", changes=options["changes"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"layers": 2}}, "a model with layers 1, the recipe asks for 2"),
        ({"instruments": ["snare"]}, r"a model for kick, but this training is of snare\n.*give a checkpoint for snare"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    changes: dict[str, Any], message: str, finished_training: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    with pytest.raises(DoseError, match=message):
        train_models(tiny_tokens, tmp_path / "out", begin_from=finished_training / "kick.pth", changes=changes)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_codec_is_refused(finished_training: Path, tiny_tokens: Path, tmp_path: Path) -> None:
    checkpoint = read_dose_checkpoint(finished_training / "kick.pth")
    other = DoseCheckpoint(
        recipe=checkpoint.recipe,
        instruments=checkpoint.instruments,
        codec={**checkpoint.codec, "sha256": "0" * 64},
        state=checkpoint.state,
    )
    path = write_checkpoint(other, tmp_path)
    with pytest.raises(CodecError, match="made with sha256 000"):
        train_models(tiny_tokens, tmp_path / "out", begin_from=path)


def test_a_training_reads_tokens_from_a_store(
    bucket: Any, finished_training: Path, tiny_tokens: Path, tmp_path: Path, rmod: Rmod
) -> None:
    bucket.put_folder(tiny_tokens, "data")
    out = tmp_path / "models"
    command = ["train", write_recipe(tmp_path), "--out", out, "--workers", 0, "--device", "cpu"]
    result = rmod(*command, "--data", f"{bucket}/data")
    assert result.code == 0, result.err
    assert (out / "kick.pth").read_bytes() == (finished_training / "kick.pth").read_bytes()
    missing = rmod(*command, "--data", f"{bucket}/none")
    assert missing.code == 2
    assert f"{bucket}/none" in missing.err


def test_one_of_the_recipes_models_can_be_chosen() -> None:
    both = make_recipe(instruments=["kick", "snare"])
    assert choose_models(both, None) == (("kick",), ("snare",))
    assert choose_models(both, "snare") == (("snare",),)


def test_a_listener_is_called_for_each_step_and_validation(tiny_tokens: Path, tmp_path: Path) -> None:
    events: list[Any] = []
    listener = ProgressListener(
        began=lambda name, step: events.append((name, step)),
        stepped=lambda state: events.append(state.step),
        validated=lambda state, losses: events.append((state.step, "valid", sorted(losses))),
    )
    training = TrainingConfig(recipe=make_recipe(schedule={"steps": 3}), data=tiny_tokens, out=tmp_path, machine=CPU)
    list(train_dose(training, listener))
    assert events == [("kick", 0), 1, 2, (2, "valid", ["all", "kick"]), 3, (3, "valid", ["all", "kick"])]


@pytest.mark.parametrize(
    ("error", "about", "found", "hint"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "models/kick", "cannot be written", "free space"),
        (PermissionError(errno.EACCES, "Permission denied", "models/kick/a"), "models/kick/a", "written", "--out"),
        (OSError(errno.EIO, "Input/output error", "data/a.tar"), "data/a.tar", "cannot be read", "same command"),
        (ConnectionResetError(errno.ECONNRESET, "Connection reset"), "training kick", "has failed", "same command"),
    ],
)
def test_an_error_of_the_system_is_named(error: OSError, about: str, found: str, hint: str) -> None:
    described = _describe_os_error(Path("models"), "kick", error)
    assert str(described.about) == about
    assert found in described.found
    assert hint in described.hint


@pytest.mark.long
def test_extraction_returns_four_pairs_that_the_tiny_recipe_learned(tmp_path: Path, cache: Path, rmod: Rmod) -> None:
    """From audio to tokens, training, and extraction from audio: the codes of all kicks are returned."""
    weights_file, out = save_tiny(tmp_path / "codec.pth"), tmp_path / "OUT"
    built = rmod("build", "quick", "--library", "builtin", "--out", out, "--pairs", "train=4,valid=1", "--workers", 1,
                 "--codec", weights_file, "--device", "cpu")  # fmt: skip
    assert built.code == 0, built.err
    tiny = load_dose_recipe("tiny")
    schedule = tiny.schedule.model_copy(update={"batch": 4, "check_every_steps": 75, "steps": 150})
    kicks = tiny.model_copy(update={"instruments": ("kick",), "one_model": False, "schedule": schedule})
    config = TrainingConfig(recipe=kicks, data=out, out=tmp_path / "models", codec=str(weights_file), machine=CPU)
    (report,) = train_dose(config)
    assert report.ended == "all steps"
    # The checkpoint is the best on other pairs; the model that learned these pairs is in the last state.
    state = {
        name.removeprefix("model."): value for name, value in read_state(tmp_path / "models")["state_dict"].items()
    }
    folder = tmp_path / "learned"
    write_checkpoint(replace(read_dose_checkpoint(report.model), state=state), folder)
    models = Answerers.of_models(*open_extractors(folder, codec=str(weights_file), device="cpu"))
    tokens = {pair["key"]: pair["codes"]["kick"] for pair in load_tokens(out, "train", sounds=["kick"])}
    assert len({codes.tobytes() for codes in tokens.values()}) == 4
    for pair in load_audio(out, "train"):
        extraction = extract_array(pair["audio"]["mix"], pair["rate"], models, ExtractionConfig(at=(0.0,), tries=0))
        assert (extraction.instruments[0].generated[0].codes == tokens[pair["key"]]).all(), pair["key"]
