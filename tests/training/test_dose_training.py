"""TrainingConfig DOSE: the same training however often it was stopped, and an end to it that says what was wrong."""

from __future__ import annotations

import json
import math
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml

torch.set_num_threads(1)

from rmod_pipeline.codec import open_codec
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, read_dose_checkpoint, write_checkpoint
from rmod_pipeline.dose.loss import mean_losses
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseRecipe, DoseSchedule, load_dose_recipe
from rmod_pipeline.errors import (
    CodecError,
    DoseError,
    RmodError,
    UsageError,
)
from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.extractor import open_extractors
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.loader import load_audio, load_tokens
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.tokens import encode_codes
from rmod_pipeline.training.dose import module as module_room
from rmod_pipeline.training.dose.data import open_data
from rmod_pipeline.training.dose.examples import Collate, LoaderError, TrainingExample, raise_loader_errors
from rmod_pipeline.training.dose.initialization import initialize_from_codebooks
from rmod_pipeline.training.dose.loaders import LoaderSettings, TrainLoader, ValidationLoader
from rmod_pipeline.training.dose.module import DoseModule, learning_rate_at
from rmod_pipeline.training.dose.monitor import ProgressListener
from rmod_pipeline.training.dose.optimizer import Muon, orthogonalize
from rmod_pipeline.training.dose.train import (
    TrainingConfig,
    TrainingReport,
    choose_models,
    train_dose,
)
from rmod_pipeline.training.dose.trainer import DeviceSettings, detect_devices
from rmod_pipeline.training.dose.unigram import CodeCounts, count_codes, cross_entropy_of_counts, unigram_losses
from tests.tiny_build import RATE, make_job
from tests.tiny_codec import save_tiny, with_tokens

Rmod = Callable[..., Any]

MODEL = {"layers": 1, "width": 16, "heads": 2, "feed_forward": 32, "dropout": 0.1, "condition_frames": 44}
SCHEDULE = {"batch": 4, "learning_rate": 0.01, "steps": 6, "check_every_steps": 2}
CPU = DeviceSettings(device="cpu")


def content(**changes: Any) -> dict[str, Any]:
    schedule = {**SCHEDULE, **changes.pop("schedule", {})}
    model = {**MODEL, **changes.pop("model", {})}
    return {"name": "small", "instruments": ["kick"], "model": model, "schedule": schedule, **changes}


def recipe(**changes: Any) -> DoseRecipe:
    return DoseRecipe.model_validate(content(**changes))


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content(**changes)))
    return path


def trained(data: Path, out: Path, **options: Any) -> list[TrainingReport]:
    changes = options.pop("changes", {})
    options.setdefault("machine", CPU)
    return list(train_dose(TrainingConfig(recipe=recipe(**changes), data=data, out=out, **options)))


def weights(out: Path, name: str = "kick") -> dict[str, Any]:
    return dict(torch.load(out / name / "last.ckpt", weights_only=True))


@pytest.fixture(scope="module")
def finished(tiny_tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of kicks. Not to be changed."""
    out = tmp_path_factory.mktemp("trained") / "out"
    trained(tiny_tokens, out)
    return out


@pytest.fixture
def data(tiny_tokens: Path, tmp_path: Path) -> Path:
    """The data set, to be changed."""
    return Path(shutil.copytree(tiny_tokens, tmp_path / "data"))


def test_a_training_learns_and_leaves_all_that_is_promised(
    tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where nobody looks on, a log grows by a line now and then: here at every step.
    monkeypatch.setattr("rmod_pipeline.progress.LINE_SECONDS", 0)
    out = tmp_path / "models"
    changes = {"instruments": ["kick", "snare"], "one_model": True, "schedule": {"precision": "bf16"}}
    command = ["train", written(tmp_path, **changes), "--data", tiny_tokens, "--out", out, "--workers", 0]
    said = rmod(*command, "--device", "cpu")
    assert said.code == 0, said.err
    steps = [line.partition(":")[0] for line in said.err.splitlines() if line.startswith("step") and "held" not in line]
    assert steps == [f"step {step} of 6" for step in range(1, 7)]
    lines = [line for line in said.err.splitlines() if "held-out loss" in line]
    assert [line.partition(":")[0] for line in lines] == [f"step {step} of 6" for step in (2, 4, 6)]
    held_out = [float(line.split("held-out loss ")[1].split()[0]) for line in lines]
    assert held_out == sorted(held_out, reverse=True)
    assert held_out[-1] < held_out[0] - 0.5
    assert "tokens/s" in lines[0]
    assert "waiting for data" in lines[0]
    for instrument in ("all", "kick", "snare"):
        assert f"held-out loss, {instrument}: model " in said.out
    assert said.out.count("unigram") == 3

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
    again = rmod(*command, "--device", "cpu")
    assert (again.code, again.out) == (0, said.out), "a finished training is told again, not done again"
    assert "step" not in again.err
    assert (out / "kick-snare.pth").read_bytes() == before


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(
    workers: int, finished: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    machine = DeviceSettings(device="cpu", workers=workers)
    if workers:
        finished = tmp_path / "whole"
        trained(tiny_tokens, finished, machine=machine)
    parts = tmp_path / "parts"
    stops: list[tuple[int | None, int]] = [(3, 4), (None, 6)] if workers else [(1, 2), (4, 4), (None, 6)]
    for until, step in stops:
        (report,) = trained(tiny_tokens, parts, until=until, machine=machine)
        assert (report.steps, report.ended) == (step, "" if until else "all steps")
    whole, resumed = weights(finished), weights(parts)
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, resumed["state_dict"][name]), name
    for place, state in whole["optimizer_states"][0]["state"].items():
        for name, value in state.items():
            assert torch.equal(value, resumed["optimizer_states"][0]["state"][place][name])
    assert (finished / "kick.pth").read_bytes() == (parts / "kick.pth").read_bytes()
    assert (finished / "kick" / "report.json").read_bytes() == (parts / "kick" / "report.json").read_bytes()


@pytest.mark.parametrize("schedule", [{}, {"optimizer": "muon", "weight_decay": 0.01}])
def test_one_model_for_several_goes_on_as_if_it_had_not_been_stopped(
    schedule: dict[str, Any], tiny_tokens: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    changes = {"instruments": ["kick", "snare"], "one_model": True, "schedule": schedule}
    trained(tiny_tokens, whole, changes=changes)
    for until in (2, None):
        trained(tiny_tokens, parts, changes=changes, until=until)
    first, second = weights(whole, "kick-snare"), weights(parts, "kick-snare")
    assert first["global_step"] == second["global_step"] == 6
    for name, value in first["state_dict"].items():
        assert torch.equal(value, second["state_dict"][name]), name
    for name in ("kick-snare.pth", "kick-snare/report.json", "kick-snare/unigram.json"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes(), name


def test_muon_moves_the_blocks_matrices_and_adamw_the_rest(tiny_tokens: Path, tmp_path: Path) -> None:
    trained(tiny_tokens, tmp_path, changes={"schedule": {"optimizer": "muon"}}, until=2)
    model = load_dose_model(read_dose_checkpoint(tmp_path / "kick.pth"))
    names = [name for name, _ in model.named_parameters()]
    kept = weights(tmp_path)["optimizer_states"][0]
    # Muon keeps one number a weight, AdamW two.
    order = [*_matrices(names), *(name for name in names if name not in _matrices(names))]
    moved = {order[place]: set(state) for place, state in kept["state"].items()}
    assert set(moved) == set(names)
    assert {name for name, state in moved.items() if "momentum_buffer" in state} == set(_matrices(names))
    muon, adamw = kept["param_groups"]
    assert muon["lr"] == pytest.approx(20 * adamw["lr"])


def test_muon_steps_as_torchs_own_does_in_full_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((48, 16), (16, 48), (16, 16)):
        ours, theirs = (torch.nn.Parameter(torch.ones(shape)) for _ in range(2))
        kinds = ((Muon, ours), (torch.optim.Muon, theirs))
        optimizers = [kind([weight], lr=0.02, weight_decay=0.01) for kind, weight in kinds]
        for _ in range(5):
            gradient = torch.randn(shape, generator=generator)
            for optimizer, weight in zip(optimizers, (ours, theirs), strict=True):
                weight.grad = gradient.clone()
                optimizer.step()
        # Theirs is in bfloat16.
        torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0)
        spread = torch.linalg.svdvals(orthogonalize(gradient))
        assert 0.3 < float(spread.min()) < float(spread.max()) < 1.3


def _matrices(names: list[str]) -> list[str]:
    return [name for name in names if re.fullmatch(r"blocks\.\d+\.(attention|feed_forward)\.\w+\.weight", name)]


def test_a_training_can_begin_from_the_codebooks(
    tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    changes = {"schedule": {"begin": "codebooks"}}
    command = ["train", written(tmp_path, **changes), "--data", tiny_tokens, "--workers", 0, "--device", "cpu"]
    unknown = rmod(*command, "--out", tmp_path / "unknown")
    assert unknown.code == 2
    assert "give the path of its weights: --codec PATH" in " ".join(unknown.err.split())
    said = rmod(*command, "--out", tmp_path / "out", "--codec", tiny_weights)
    assert said.code == 0, said.err
    another = save_tiny(tmp_path / "another.pth", seed=5, sample_rate=RATE)
    other = rmod(*command, "--out", tmp_path / "other", "--codec", another)
    assert other.code == 2
    assert "made with sha256" in other.err


def test_codes_that_sound_alike_begin_alike(tiny_weights: Path) -> None:
    codec = open_codec(str(tiny_weights), device="cpu")
    known, size = codec.codebooks(), recipe().model
    assert known.entries.shape == (9, 1024, 8)
    assert known.latents.shape[:2] == (9, 1024)
    torch.manual_seed(0)
    model, noise = Dose(size.model_copy(update={"width": 256})), Dose(size.model_copy(update={"width": 256}))
    initialize_from_codebooks(model, codec, seed=0)
    alike = torch.from_numpy(known.entries[0] @ known.entries[0].T)
    near, far = alike > 0.9, alike < 0.0
    near.fill_diagonal_(False)
    for start, least in ((model, 0.3), (noise, 0.0)):
        heard, told = start.tokens[0].weight[1:], start.head.weight[1:1025]
        for some in (heard, told):
            rows = torch.nn.functional.normalize(some - some.mean(0), dim=1)
            likeness = rows @ rows.T
            difference = (likeness[near].mean() - likeness[far].mean()).item()
            assert difference > least if least else abs(difference) < 0.02
    again, other = (Dose(size.model_copy(update={"width": 256})) for _ in range(2))
    for start, seed in ((again, 0), (other, 1)):
        start.load_state_dict(noise.state_dict())
        initialize_from_codebooks(start, codec, seed=seed)
    assert not torch.equal(again.head.weight, other.head.weight)
    assert torch.equal(again.head.weight[0], other.head.weight[0]), "no code has no direction"


def test_an_interrupt_leaves_a_training_to_go_on_with(
    finished: Path, tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "models"
    command = ["train", written(tmp_path), "--data", tiny_tokens, "--out", out, "--workers", 0, "--device", "cpu"]
    step = DoseModule.training_step

    def interrupted(module: DoseModule, batch: Any, place: int) -> Any:
        if module.global_step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(module, batch, place)

    with monkeypatch.context() as patch:
        patch.setattr(DoseModule, "training_step", interrupted)
        said = rmod(*command)
    assert said.code == 130
    assert "resumes when its command is given again" in said.err
    assert "Traceback" not in said.err
    assert weights(out)["global_step"] == 2
    said = rmod(*command)
    assert said.code == 0
    assert "kick: resumed from step 2" in said.err
    assert (finished / "kick.pth").read_bytes() == (out / "kick.pth").read_bytes()


def test_patience_ends_a_training_for_good(tiny_tokens: Path, tmp_path: Path) -> None:
    changes = {"schedule": {"learning_rate": 1e-30, "patience": 1, "steps": 20}}
    (report,) = trained(tiny_tokens, tmp_path, changes=changes)
    assert (report.steps, report.ended, report.best["step"]) == (4, "patience", 2)
    (report,) = trained(tiny_tokens, tmp_path, changes=changes)
    assert (report.steps, report.ended) == (4, "patience")


def test_a_loss_that_is_no_number_stops_the_training_and_names_the_pairs(
    tiny_tokens: Path, tmp_path: Path, rmod: Rmod, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    losses, batch_start = module_room.compute_losses, DoseModule.on_train_batch_start

    def started(module: DoseModule, batch: Any, place: int) -> None:
        seen.append(batch.keys)
        batch_start(module, batch, place)

    def spoilt(model: Any, pairs: Any, settings: Any) -> Any:
        made = losses(model, pairs, settings)
        if model.training and len(seen) == 4:
            object.__setattr__(made, "total", made.total * math.nan)
        return made

    monkeypatch.setattr(module_room, "compute_losses", spoilt)
    monkeypatch.setattr(DoseModule, "on_train_batch_start", started)
    out = tmp_path / "models"
    said = rmod("train", written(tmp_path), "--data", tiny_tokens, "--out", out, "--workers", 0, "--device", "cpu")
    assert said.code == 2
    assert "the loss is not finite at step 3; its pairs: " + ", ".join(seen[3]) in said.err
    assert "Traceback" not in said.err
    assert weights(out)["global_step"] == 2
    assert all(bool(torch.isfinite(each).all()) for each in read_dose_checkpoint(out / "kick.pth").state.values())


def test_a_loss_that_is_no_number_before_anything_is_kept_promises_nothing(
    tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = module_room.compute_losses

    def spoilt(*arguments: Any) -> Any:
        made = losses(*arguments)
        object.__setattr__(made, "total", made.total * math.nan)
        return made

    monkeypatch.setattr(module_room, "compute_losses", spoilt)
    with pytest.raises(DoseError, match=r"not finite at step 0; its pairs: train-.*\n  -> check these pairs"):
        trained(tiny_tokens, tmp_path / "out")


@pytest.mark.parametrize(("after", "hint"), [(2, "check these"), (4, "the latest checkpoint is kept; check these")])
def test_a_validation_loss_that_is_no_number_names_its_pairs(
    after: int, hint: str, tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses, step = module_room.compute_losses, DoseModule.validation_step
    module: list[DoseModule] = []

    def validated(self: DoseModule, batch: Any, place: int) -> None:
        module[:] = [self]
        step(self, batch, place)

    def spoilt(model: Any, *arguments: Any) -> Any:
        made = losses(model, *arguments)
        if not model.training and module[0].global_step == after:
            object.__setattr__(made, "full", made.full * math.nan)
        return made

    monkeypatch.setattr(module_room, "compute_losses", spoilt)
    monkeypatch.setattr(DoseModule, "validation_step", validated)
    says = rf"validation loss is not finite at step {after}; its pairs: valid-00000000, valid-00000001\n  -> {hint}"
    with pytest.raises(DoseError, match=says):
        trained(tiny_tokens, tmp_path / "out")
    assert (tmp_path / "out" / "kick" / "last.ckpt").exists() == hint.startswith("the latest")


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


def test_no_pickle_is_ever_opened(
    finished: Path, tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    torch.save({**weights(out), "callbacks": {"trap": _Trap()}}, out / "kick" / "last.ckpt")
    with pytest.raises(
        DoseError, match=r"last\.ckpt: not plain weights.*refused\n.*start this training from the beginning"
    ):
        trained(tiny_tokens, out)
    torch.save(_Trap(), tmp_path / "kick.pth")
    with pytest.raises(DoseError, match=r"kick\.pth: not plain weights.*refused"):
        trained(tiny_tokens, tmp_path / "other", begin_from=tmp_path / "kick.pth")
    assert not (tmp_path / "trapped").exists()
    pickle.loads(pickle.dumps(_Trap()))
    assert (tmp_path / "trapped").exists(), "the trap does not snap, so it proves nothing"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schedule": {"learning_rate": 0.02}}, r"recipe\.schedule\.learning_rate: existing 0\.01, requested 0\.02"),
        ({"model": {"width": 32}}, r"recipe\.model\.width: existing 16, requested 32"),
        ({"instruments": ["kick", "snare"]}, r"recipe\.instruments: "),
    ],
)
def test_going_on_with_another_recipe_is_refused(
    changes: dict[str, Any], said: str, finished: Path, tiny_tokens: Path
) -> None:
    with pytest.raises(RmodError, match=said):
        trained(tiny_tokens, finished, changes=changes)


def test_going_on_with_other_data_or_codec_is_refused(finished: Path, tiny_tokens: Path, tmp_path: Path) -> None:
    run = json.loads((finished / "run.json").read_bytes())
    run["data"]["seed"], run["codec"]["sha256"] = 7, "f" * 64
    (tmp_path / "run.json").write_text(json.dumps(run))
    with pytest.raises(RmodError, match=r'data\.seed: existing 7, requested 0[\s\S]*codec\.sha256: existing "fff'):
        trained(tiny_tokens, tmp_path)
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(DoseError, match="does not say what was trained here"):
        trained(tiny_tokens, tmp_path)


def _another_class(state: dict[str, Any]) -> None:
    state["rmod_training"]["instruments"] = ["snare"]


def _another_codec(state: dict[str, Any]) -> None:
    state["rmod_training"]["codec"]["codebooks"] = 4


def _another_size(state: dict[str, Any]) -> None:
    state["state_dict"]["model.norm.weight"] = torch.ones(32)


def _no_number(state: dict[str, Any]) -> None:
    state["state_dict"]["model.norm.weight"][3] = math.nan


def _no_state(state: dict[str, Any]) -> None:
    del state["rmod_training"]


def _half_a_state(state: dict[str, Any]) -> None:
    del state["loops"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_another_class, r'instruments\.0: existing "snare", requested "kick"'),
        (_another_codec, r"codec\.codebooks: existing 4, requested 9"),
        (_another_size, r"its weights belong to another model: model\.norm\.weight"),
        (_no_number, r"NaN or infinite weights in model\.norm\.weight"),
        (_no_state, "not the state of a training of this version of rmod"),
        (_half_a_state, "not the complete state of a training"),
    ],
)
def test_a_state_that_is_not_this_trainings_is_refused(
    change: Callable[[dict[str, Any]], None], said: str, finished: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(finished, tmp_path / "out"))
    state = weights(out)
    change(state)
    torch.save(state, out / "kick" / "last.ckpt")
    with pytest.raises(RmodError, match=said):
        trained(tiny_tokens, out)
    (out / "kick" / "last.ckpt").write_bytes(b"half a file")
    with pytest.raises(DoseError, match=r"last\.ckpt: not [\s\S]*remove it to start this training from the beginning"):
        trained(tiny_tokens, out)


def test_a_training_can_begin_with_a_checkpoints_weights(finished: Path, tiny_tokens: Path, tmp_path: Path) -> None:
    begin = {"begin_from": finished / "kick.pth", "changes": {"schedule": {"learning_rate": 1e-30, "steps": 2}}}
    (report,) = trained(tiny_tokens, tmp_path / "out", **begin)
    wanted = read_dose_checkpoint(finished / "kick.pth")
    made = read_dose_checkpoint(report.model)
    assert all(torch.equal(value, made.state[name]) for name, value in wanted.state.items())
    with pytest.raises(RmodError, match=r"begun_from: existing .* requested nothing"):
        trained(tiny_tokens, tmp_path / "out", changes=begin["changes"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model": {"layers": 2}}, "a model with layers 1, the recipe asks for 2"),
        ({"instruments": ["snare"]}, r"a model for kick, but this training is of snare\n.*--instrument"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    changes: dict[str, Any], said: str, finished: Path, tiny_tokens: Path, tmp_path: Path
) -> None:
    with pytest.raises(DoseError, match=said):
        trained(tiny_tokens, tmp_path / "out", begin_from=finished / "kick.pth", changes=changes)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_codec_is_refused(finished: Path, tiny_tokens: Path, tmp_path: Path) -> None:
    have = read_dose_checkpoint(finished / "kick.pth")
    other = DoseCheckpoint(
        recipe=have.recipe, instruments=have.instruments, codec={**have.codec, "sha256": "0" * 64}, state=have.state
    )
    path = write_checkpoint(other, tmp_path)
    with pytest.raises(CodecError, match="made with sha256 000"):
        trained(tiny_tokens, tmp_path / "out", begin_from=path)


# What cannot be trained on.


def _without_tokens(data: Path) -> None:
    shutil.rmtree(data / "tokens")


def _half_finished(data: Path) -> None:
    (name,) = family_names(data)
    Layout(data).receipt("train-000002", f"tokens/{name}").unlink()


def _no_valid_pairs(data: Path) -> None:
    said = json.loads((data / "build.json").read_bytes())
    (data / "build.json").write_text(json.dumps({**said, "pairs": {"train": 10}}))


def _nothing(data: Path) -> None:
    pass


Case = tuple[Callable[[Path], object], dict[str, Any], list[str], str]
"""What is wrong with the data, with the recipe, with the options; and what is said of it."""


@pytest.mark.parametrize(
    "case",
    [
        (_without_tokens, {}, [], "no tokens here -> make them: rmod encode"),
        (_half_finished, {}, [], "1 of 4 shards of tokens/tiny"),
        (_half_finished, {}, [], "finish the build with the same command; `rmod status "),
        (
            _nothing,
            {},
            ["--devices", "4"],
            "split valid: 2 pairs in it, for 4 devices -> give fewer --devices, or build",
        ),
        (_no_valid_pairs, {}, [], "split valid: no pairs in it; there are 10 train -> build it with pairs of both"),
        (shutil.rmtree, {}, [], "no data set here"),
        (_nothing, {"instruments": ["kick", "clap"]}, [], "no tokens of clap; there are kick, snare -> remove clap"),
        (_nothing, {"model": {"codebooks": 4}}, [], "tokens of codebooks 9, the recipe small has model.codebooks 4"),
        (
            _nothing,
            {"model": {"codebook_size": 512}},
            [],
            "codebook size 1024, the recipe small has",
        ),
        (_nothing, {"model": {"condition_frames": 345}}, [], "condition frames 44, the recipe small has"),
        (
            _nothing,
            {"target_frames": {"kick": 40}},
            [],
            "kick in windows of 90 frames, the recipe's are 40 ->",
        ),
        (
            _nothing,
            {},
            ["--instrument", "kik"],
            "--instrument kik: the recipe small has no such instrument (did",
        ),
        (_nothing, {}, ["--codec", "dac"], "no tokens of dac; there are tiny-"),
        (
            _nothing,
            {},
            ["--devices", "3"],
            "a batch of 4 pairs cannot be divided evenly among 3 devices ->",
        ),
        (_nothing, {}, ["--device", "tpu"], "--device: no device is called tpu -> choose auto, cpu, cuda"),
        (_nothing, {}, ["--begin-from", "none.pth"], "none.pth: no weights here"),
        (_nothing, {"model": {"wdith": 3}}, [], "did you mean 'width'?"),
        (
            _nothing,
            {"instruments": ["kick", "snare"], "one_model": True},
            ["--instrument", "kick"],
            "makes one model for kick, snare -> leave it out",
        ),
    ],
)
def test_bad_input_is_named_with_its_remedy(case: Case, data: Path, tmp_path: Path, rmod: Rmod) -> None:
    spoil, changes, options, said = case
    spoil(data)
    out = tmp_path / "models"
    run = rmod("train", written(tmp_path, **changes), "--data", data, "--out", out, "--device", "cpu", *options)
    assert run.code == 2
    assert said in " ".join(run.err.split())
    assert "Traceback" not in run.err
    assert "=True" not in run.err, "a hint for those who call it in Python"
    assert not out.exists()


def test_a_folder_that_cannot_be_written_to_is_named(tiny_tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DoseError, match=r"file/out/run\.json: cannot be written"):
        trained(tiny_tokens, tmp_path / "file" / "out")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_named(tiny_tokens: Path, tmp_path: Path) -> None:
    with pytest.raises(DoseError, match="0 GPUs that this torch can use, 1 asked for"):
        trained(tiny_tokens, tmp_path / "out", machine=DeviceSettings(device="cuda"))


@pytest.mark.parametrize(("gpus", "device"), [(0, "cpu"), (1, "cuda")])
def test_auto_takes_a_gpu_that_torch_can_use_and_no_other(
    gpus: int, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(gpus))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert detect_devices(DeviceSettings(workers=3)) == DeviceSettings(device=device, workers=3)
    assert detect_devices(DeviceSettings(device="cpu", devices=2)).devices == 2


def test_more_devices_than_there_are_is_refused_with_auto_too(
    tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(DoseError, match="--device auto: 1 GPUs that this torch can use, 2 asked for"):
        trained(tiny_tokens, tmp_path / "out", machine=DeviceSettings(devices=2))
    assert not (tmp_path / "out").exists()


def test_weights_and_biases_is_asked_for_by_name(tiny_tokens: Path, tmp_path: Path) -> None:
    if find_spec("wandb") is not None:
        pytest.skip("it is installed")
    with pytest.raises(UsageError, match="Weights & Biases is not installed"):
        trained(tiny_tokens, tmp_path / "out", wandb="drums")
    assert not (tmp_path / "out").exists()


class _WandbRun:
    """What stands for a run at Weights & Biases."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.config, self.steps, self.over = options, {}, [], False

    def log(self, metrics: dict[str, Any]) -> None:
        assert not self.over
        self.steps.append(metrics["trainer/global_step"])

    def finish(self) -> None:
        self.over, sys.modules["wandb"].run = True, None  # type: ignore[attr-defined]


@pytest.fixture
def wandb_runs(monkeypatch: pytest.MonkeyPatch) -> list[_WandbRun]:
    """A module in the place of wandb, with one live run at a time as it has; returns the runs that it opens."""
    from lightning.pytorch.loggers import wandb as logger

    runs: list[_WandbRun] = []
    names = ("wandb", "wandb.sdk", "wandb.sdk.lib", "wandb.wandb_run")
    modules: dict[str, Any] = {name: ModuleType(name) for name in names}

    def init(**options: Any) -> _WandbRun:
        assert modules["wandb"].run is None, "the run before is still open"
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


def test_each_model_has_a_run_of_its_own_and_a_resume_goes_on_in_it(
    wandb_runs: list[_WandbRun], tiny_tokens: Path, tmp_path: Path
) -> None:
    out, both = tmp_path / "out", {"instruments": ["kick", "snare"]}
    trained(tiny_tokens, out, changes=both, until=2, wandb="drums")
    trained(tiny_tokens, out, changes=both, wandb="drums")
    assert [run.options["name"] for run in wandb_runs] == ["kick", "snare", "kick", "snare"]
    ids = [run.options["id"] for run in wandb_runs]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1]
    assert {(run.options["project"], run.options["resume"], run.over) for run in wandb_runs} == {
        ("drums", "allow", True)
    }
    assert [max(run.steps) for run in wandb_runs] == [2, 2, 6, 6]
    # Begun anew it is another training, which must not log over the first one's steps.
    (out / "kick" / "last.ckpt").unlink()
    trained(tiny_tokens, out, changes=both, instrument="kick", until=2, wandb="drums")
    assert wandb_runs[-1].options["id"] not in ids


def test_a_training_that_fails_lets_its_run_go(
    wandb_runs: list[_WandbRun], tiny_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoilt(*_arguments: Any) -> None:
        raise DoseError("training", "spoilt", "")

    monkeypatch.setattr(DoseModule, "training_step", spoilt)
    with pytest.raises(DoseError, match="spoilt"):
        trained(tiny_tokens, tmp_path / "out", wandb="drums")
    assert [run.over for run in wandb_runs] == [True]


def test_a_training_reads_tokens_from_a_store(
    bucket: Any, finished: Path, tiny_tokens: Path, tmp_path: Path, rmod: Rmod
) -> None:
    bucket.put_folder(tiny_tokens, "data")
    out = tmp_path / "models"
    command = ["train", written(tmp_path), "--out", out, "--workers", 0, "--device", "cpu"]
    said = rmod(*command, "--data", f"{bucket}/data")
    assert said.code == 0, said.err
    assert (out / "kick.pth").read_bytes() == (finished / "kick.pth").read_bytes()
    missing = rmod(*command, "--data", f"{bucket}/none")
    assert missing.code == 2
    assert f"{bucket}/none" in missing.err


@pytest.mark.parametrize("option", ["--out", "--begin-from"])
def test_models_are_on_disks(option: str, bucket: Any, tiny_tokens: Path, tmp_path: Path, rmod: Rmod) -> None:
    there = {"--data": tiny_tokens, "--out": tmp_path / "out", option: f"{bucket}/kick.pth"}
    said = rmod("train", written(tmp_path), *(part for each in there.items() for part in each))
    assert said.code == 2
    assert f"{bucket}/kick.pth is on an object store; models are kept on disks" in said.err
    assert not (tmp_path / "out").exists()


def test_going_on_with_other_workers_or_versions_is_said(
    tiny_tokens: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    trained(tiny_tokens, out, until=2)
    trained(tiny_tokens, out, until=4)
    assert "resumes" not in caplog.text
    state = weights(out)
    state["rmod_training"]["versions"]["torch"] = "1.0"
    torch.save(state, out / "kick" / "last.ckpt")
    trained(tiny_tokens, out, machine=DeviceSettings(device="cpu", workers=1))
    (said,) = [record.getMessage() for record in caplog.records if "resumes" in record.getMessage()]
    assert "kick resumes in another environment: workers 1 instead of 0, torch" in said
    assert "instead of 1.0" in said
    trained(tiny_tokens, out)
    assert caplog.text.count("resumes") == 1, "a finished training does not go on"


def _code_out_of_range(data: Path) -> None:
    """Write a token that no codebook has into a pair of the second shard, and let its receipt vouch for it."""
    (name,) = family_names(data)
    layout, family = Layout(data), f"tokens/{name}"
    tar, receipt = layout.tar("train-000001", family), layout.receipt("train-000001", family)
    pairs = list(read_tar(tar))
    with TarWriter(tar) as writer:
        for key, members in pairs:
            codes = torch.full((9, 90), 1024).numpy().astype("uint16")
            writer.add(key, {**members, "kick.npy": encode_codes(codes)} if key == "train-00000004" else members)
    said = json.loads(receipt.read_bytes())
    said["files"][0]["bytes"] = tar.stat().st_size
    receipt.write_text(json.dumps(said))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_token_out_of_range_is_named_before_the_first_step(
    workers: int, data: Path, tmp_path: Path, rmod: Rmod
) -> None:
    """By a worker too, out of which torch alone would bring a traceback."""
    _code_out_of_range(data)
    out = tmp_path / "models"
    run = rmod("train", written(tmp_path), "--data", data, "--out", out, "--device", "cpu", "--workers", workers)
    assert run.code == 2
    assert "train-00000004.kick.npy: [9, 90] with codes up to 1024" in run.err
    assert "Traceback" not in run.err
    assert not (out / "kick" / "last.ckpt").exists()


# Batches.


def batches(data: Path, step: int, changes: dict[str, Any] | None = None, **reading: int) -> list[Any]:
    made = recipe(**(changes or {}))
    opened = open_data(data, None, made, made.instruments)
    return list(TrainLoader(opened, made, made.instruments, LoaderSettings(**reading), lambda: step))


def keys_of(found: list[Any]) -> list[list[str]]:
    return [batch.keys for batch in found]


def test_what_a_leg_reads_depends_on_seed_and_step_alone(tiny_tokens: Path) -> None:
    first = keys_of(batches(tiny_tokens, 0))
    assert [len(keys) for keys in first] == [4, 4]
    assert keys_of(batches(tiny_tokens, 0)) == first
    assert keys_of(batches(tiny_tokens, 2)) != first
    assert keys_of(batches(tiny_tokens, 0, {"seed": 1})) != first
    assert len(batches(tiny_tokens, 4, {"schedule": {"steps": 5}})) == 1, "the last leg is as long as is left"
    ranks = [keys_of(batches(tiny_tokens, 0, rank=rank, world_size=2)) for rank in range(2)]
    assert [[len(keys) for keys in rank] for rank in ranks] == [[2, 2], [2, 2]]
    assert ranks[0] != ranks[1]


@pytest.mark.slow
def test_a_leg_is_the_same_in_workers_that_live_on(tiny_tokens: Path) -> None:
    made = recipe()
    opened = open_data(tiny_tokens, None, made, made.instruments)
    step = [0]
    legs = TrainLoader(opened, made, made.instruments, LoaderSettings(workers=2), lambda: step[0])
    read = []
    for step[0] in (0, 2, 0):
        iterator = iter(legs)
        next(iterator)  # a leg that is begun and left alone, as lightning may do
        read.append(keys_of(list(legs)))
    assert read[0] == read[2] != read[1]


def test_validation_reads_every_pair_once_with_every_instrument(tiny_tokens: Path) -> None:
    made = recipe(instruments=["kick", "snare"], one_model=True, schedule={"batch": 6})
    opened = open_data(tiny_tokens, None, made, made.instruments)
    shares = []
    for rank in range(2):
        read = list(ValidationLoader(opened, made, made.instruments, LoaderSettings(rank=rank, world_size=2)))
        shares.append(
            [(key, int(place)) for batch in read for key, place in zip(batch.keys, batch.instruments, strict=True)]
        )
    assert sorted(shares[0] + shares[1]) == [(f"valid-0000000{pair}", place) for pair in (0, 1) for place in (0, 1)]
    assert len(shares[0]) == len(shares[1])


def test_instruments_take_turns_and_short_windows_are_filled_up(tiny_tokens: Path) -> None:
    changes = {"instruments": ["kick", "snare"], "one_model": True}
    (batch, _) = batches(tiny_tokens, 0, changes)
    assert batch.instruments.tolist() == [0, 1, 0, 1]
    assert batch.lengths.tolist() == [9, 9, 9, 9]
    assert batch.select(1).keys == batch.keys[1::2]
    items = [
        TrainingExample("a", batch.mixtures[0].numpy(), batch.targets[0, :, :frames].numpy(), 9, 0)
        for frames in (90, 40)
    ]
    made = Collate(90)(items)
    assert not isinstance(made, LoaderError)
    assert (made.targets[1, :, 40:] == -1).all()
    assert (made.targets[0] >= 0).all()


def test_a_failure_comes_out_as_it_was() -> None:
    with pytest.raises(RmodError, match=r"tar: broken\n.*mend it"):
        list(raise_loader_errors([LoaderError("tar", "broken", "mend it")]))


# Numbers.


def test_unigram_against_a_calculation_by_hand() -> None:
    # One codebook of three entries, seen 3, 1 and 0 times: with one added to each, 4/7, 2/7 and 1/7.
    nats, codes = cross_entropy_of_counts(torch.tensor([[3, 1, 0]]), torch.tensor([[1, 0, 2]])).tolist()
    assert codes == 3
    assert nats == pytest.approx(-(math.log(4 / 7) + 2 * math.log(1 / 7)))
    # Two codebooks are each expected by their own frequencies.
    both = cross_entropy_of_counts(torch.tensor([[3, 1, 0], [0, 0, 0]]), torch.tensor([[1, 0, 2], [0, 5, 0]]))
    assert both.tolist() == pytest.approx([nats + 5 * math.log(3), 8])
    train = {"kick": CodeCounts(torch.tensor([[3, 1, 0]]), torch.tensor([[1, 0, 0]]))}
    valid = {"kick": CodeCounts(torch.tensor([[1, 0, 2]]), torch.tensor([[0, 0, 0]]))}
    assert unigram_losses(train, valid) == {
        name: {"full": pytest.approx(nats / 3), "onset": 0.0} for name in ("all", "kick")
    }


def test_codes_are_counted_where_the_loss_counts_them() -> None:
    codes = torch.tensor([[[0, 1, 2, 2], [3, 3, 3, 0]]])  # two codebooks, four frames, of which three hold sound
    counts = count_codes(codes, torch.tensor([3]), 4, masked=False)
    assert counts.full.tolist() == [[1, 1, 2, 0], [1, 0, 0, 3]]
    assert counts.onset.tolist() == [[1, 1, 0, 0], [0, 0, 0, 1]], "two of the first codebook, one of the second"
    assert count_codes(codes, torch.tensor([3]), 4, masked=True).full.tolist() == [[1, 1, 1, 0], [0, 0, 0, 3]]


def test_losses_of_instruments_weigh_as_many_codes_as_they_have() -> None:
    sums = torch.tensor([[[8.0, 4], [1, 1]], [[2, 1], [0, 0]]], dtype=torch.float64)
    assert mean_losses(sums, ["kick", "hihat"]) == {
        "all": {"full": 2.0, "onset": 1.0},
        "kick": {"full": 2.0, "onset": 1.0},
        "hihat": {"full": 2.0, "onset": 0.0},
    }


def test_the_learning_rate_rises_and_falls_as_the_schedule_says() -> None:
    schedule = DoseSchedule(steps=100, warm_up_steps=10, learning_rate=1.0, final_rate=0.1)
    rates = [learning_rate_at(schedule, step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11)
    assert rates[10] == 1.0
    assert rates[100] == pytest.approx(0.1)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert {learning_rate_at(DoseSchedule(steps=100), step) for step in range(101)} == {1e-4}


def test_torchrun_says_how_many_devices_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCHELASTIC_RUN_ID", "some"), ("LOCAL_WORLD_SIZE", "4"), ("WORLD_SIZE", "8")):
        monkeypatch.setenv(name, value)
    machine = detect_devices(DeviceSettings(device="cpu"))
    assert (machine.devices, machine.nodes, machine.world_size) == (4, 2, 8)


def test_models_are_those_of_the_recipe() -> None:
    both = recipe(instruments=["kick", "snare"])
    assert choose_models(both, None) == (("kick",), ("snare",))
    assert choose_models(both, "snare") == (("snare",),)


# The whole way.


@pytest.mark.slow
def test_the_recipe_that_ships_learns_eight_pairs_by_heart_and_extraction_returns_them(
    tmp_path: Path, cache: Path, rmod: Rmod
) -> None:
    """Sound -> tokens -> training -> extraction from sound: of the kicks nothing is lost on the way."""
    weights_file, out = save_tiny(tmp_path / "codec.pth"), tmp_path / "OUT"
    built = rmod("build", "quick", "--library", "builtin", "--out", out, "--pairs", "train=8,valid=1", "--workers", 1,
                 "--codec", weights_file, "--device", "cpu")  # fmt: skip
    assert built.code == 0, built.err
    tiny = load_dose_recipe("tiny")
    seldom = tiny.schedule.model_copy(update={"check_every_steps": 100, "steps": 200})
    kicks = tiny.model_copy(update={"instruments": ("kick",), "one_model": False, "schedule": seldom})
    asked = TrainingConfig(recipe=kicks, data=out, out=tmp_path / "models", codec=str(weights_file), machine=CPU)
    (report,) = train_dose(asked)
    assert report.ended == "all steps"
    # The checkpoint is the best on pairs that were not learned; what was learned by heart is in the last state.
    state = {name.removeprefix("model."): value for name, value in weights(tmp_path / "models")["state_dict"].items()}
    folder = tmp_path / "by-heart"
    write_checkpoint(replace(read_dose_checkpoint(report.model), state=state), folder)
    extractors, codec = open_extractors(folder, codec=str(weights_file), device="cpu")
    tokens = {pair["key"]: pair["codes"]["kick"] for pair in load_tokens(out, "train", sounds=["kick"])}
    assert len({codes.tobytes() for codes in tokens.values()}) == 8
    for pair in load_audio(out, "train"):
        made = extract_array(
            pair["audio"]["mix"], pair["rate"], extractors, codec, ExtractionConfig(at=(0.0,), tries=0)
        )
        assert (made.instruments[0].best.codes == tokens[pair["key"]]).all(), pair["key"]


# Several processes.

RANKS = """
import sys
from pathlib import Path
import torch
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.training.dose.checkpointing import Checkpointing
from rmod_pipeline.training.dose.module import DoseModule
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.dose.trainer import DeviceSettings

torch.set_num_threads(1)
recipe, data, out, told = sys.argv[1:]
valid, keep, validated = [], Checkpointing.on_train_epoch_end, DoseModule.validation_step

def count(module, batch, place):
    valid.append(len(batch.keys))
    return validated(module, batch, place)

def kept(keeper, trainer, module):
    keep(keeper, trainer, module)
    with open(f"{told}-{trainer.global_rank}", "a") as file:
        print(trainer.global_step, sum(valid), len(valid), module.held_out["all"]["full"], file=file)
    valid.clear()

DoseModule.validation_step, Checkpointing.on_train_epoch_end = count, kept
training = TrainingConfig(recipe=DoseRecipe.model_validate_json(recipe), data=Path(data), out=Path(out),
                    machine=DeviceSettings(device="cpu", devices=2))
for report in train_dose(training):
    print(report.steps, report.ended, report.unigram["all"]["full"])
"""


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """A data set of 7 and 3 pairs in shards of 3."""
    folder = tmp_path_factory.mktemp("uneven")
    job = make_job(tiny_manifest, folder / "out", counts={"train": 7, "valid": 3})
    run_build(with_tokens(job, save_tiny(folder / "tiny.pth", sample_rate=RATE)), local_executor(1), BuildProgress())
    return job.out


@pytest.mark.slow
def test_two_ranks_with_uneven_shards_take_the_same_steps_and_end(uneven: Path, tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(RANKS)
    made = recipe(schedule={"batch": 2})
    out, told = tmp_path / "out", tmp_path / "told"
    command = [sys.executable, tmp_path / "ranks.py", made.model_dump_json(), uneven, out, told]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode == 0, run.stderr
    steps, ended, unigram = run.stdout.rsplit(maxsplit=1)[0].split(maxsplit=1) + run.stdout.split()[-1:]
    assert (steps, ended) == ("6", "all steps")
    ranks = [[line.split() for line in Path(f"{told}-{rank}").read_text().splitlines()] for rank in range(2)]
    assert [[line[0] for line in rank] for rank in ranks] == [["2", "4", "6"]] * 2
    assert [{(line[1], line[2]) for line in rank} for rank in ranks] == [{("1", "1")}, {("2", "2")}]
    assert [line[3] for line in ranks[0]] == [line[3] for line in ranks[1]], "both know the loss of all pairs"
    # One rank alone finds the same baseline, and the same loss of the same weights.
    (report,) = trained(
        uneven,
        tmp_path / "alone",
        begin_from=out / "kick.pth",
        changes={"schedule": {"batch": 2, "learning_rate": 1e-30, "steps": 2}},
    )
    assert report.unigram["all"]["full"] == pytest.approx(float(unigram))
    assert report.best["held_out"]["all"]["full"] == pytest.approx(float(ranks[0][-1][3]), rel=1e-6)


SPOILT = """
import os
import sys
from pathlib import Path
import torch
from rmod_pipeline.errors import DoseError
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.training.dose import module
from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
from rmod_pipeline.training.dose.trainer import DeviceSettings

torch.set_num_threads(1)
recipe, data, out, told, phase = sys.argv[1:]
rank, steps = os.environ.get("LOCAL_RANK", "0"), []
losses, step = module.compute_losses, module.DoseModule.training_step

def stepped(self, batch, place):
    steps.append(batch.keys)
    return step(self, batch, place)

def spoilt(model, *arguments):
    made = losses(model, *arguments)
    if rank == "1" and len(steps) == 4 and model.training == (phase == "training"):
        for part in ("total", "full"):
            object.__setattr__(made, part, getattr(made, part) * float("nan"))
    return made

module.compute_losses, module.DoseModule.training_step = spoilt, stepped
training = TrainingConfig(recipe=DoseRecipe.model_validate_json(recipe), data=Path(data), out=Path(out),
                    machine=DeviceSettings(device="cpu", devices=2))
try:
    list(train_dose(training))
except DoseError as error:
    Path(f"{told}-{rank}").write_text(" ".join(steps[-1]) + "\\n" + str(error))
"""


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["training", "validation"])
def test_no_number_on_one_of_two_ranks_ends_both_and_names_its_pairs(phase: str, uneven: Path, tmp_path: Path) -> None:
    (tmp_path / "ranks.py").write_text(SPOILT)
    out, told = tmp_path / "out", tmp_path / "told"
    made = recipe(schedule={"batch": 2})
    command = [sys.executable, tmp_path / "ranks.py", made.model_dump_json(), uneven, out, told, phase]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=150, check=False)
    assert run.returncode == 0, run.stderr
    keys, errors = zip(*(Path(f"{told}-{rank}").read_text().split("\n", 1) for rank in range(2)), strict=True)
    assert errors[0] == errors[1], "both say the same, and neither waits for the other"
    if phase == "training":
        assert f"the loss is not finite at step 3; its pairs: {keys[1]}\n" in errors[0]
    else:
        found = re.search(r"validation loss is not finite at step 4; its pairs: (.*)\n", errors[0])
        assert found is not None
        assert set(found[1].split(", ")) < {f"valid-0000000{pair}" for pair in range(3)}, "those of one rank"
    assert "the latest checkpoint is kept" in errors[0]
    assert weights(out)["global_step"] == 2


def test_a_listener_hears_what_happens(tiny_tokens: Path, tmp_path: Path) -> None:
    heard: list[Any] = []
    listener = ProgressListener(
        began=lambda name, step: heard.append((name, step)),
        stepped=lambda standing: heard.append(standing.step),
        validated=lambda standing, losses: heard.append((standing.step, "valid", sorted(losses))),
    )
    training = TrainingConfig(recipe=recipe(schedule={"steps": 3}), data=tiny_tokens, out=tmp_path, machine=CPU)
    list(train_dose(training, listener))
    assert heard == [("kick", 0), 1, 2, (2, "valid", ["all", "kick"]), 3, (3, "valid", ["all", "kick"])]
