"""Training of models that hear: tokens and features of the same pairs, an ear that stays, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rmod_pipeline import api
from rmod_pipeline.codec import open_codec
from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint
from rmod_pipeline.ear.checkpoint import EarCheckpoint, encode_ear_checkpoint
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import DoseError, RmodError, ShardError, UsageError
from rmod_pipeline.evaluation.figures.condition_use import measure_condition_use
from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.extractor import load_model_for_codec, make_extractor, open_extractors
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.features import LogMel
from rmod_pipeline.pipeline.configure import configure_features
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_on_audio
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.shards.token_family import choose_family
from rmod_pipeline.training.dose.data import open_data
from rmod_pipeline.training.dose.loaders import TrainLoader, ValidationLoader
from rmod_pipeline.training.loop.examples import frames_of_hits
from rmod_pipeline.training.loop.loaders import LoaderSettings
from tests.tiny_build import RATE
from tests.training.training_examples import Rmod, make_recipe, read_state, train_models, write_recipe

MEL = LogMel(sample_rate=RATE)
BOTH: dict[str, Any] = {"instruments": ["kick", "snare"], "one_model": True}
EAR_MODEL = {"condition": "ear", "condition_dropout": 0.1, "history_dropout": 0.5}


@pytest.fixture(scope="module")
def heard_data(tiny_tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of 12 pairs with tokens and features. Not to be changed."""
    out = Path(shutil.copytree(tiny_tokens, tmp_path_factory.mktemp("heard") / "out"))
    run_on_audio(configure_features(out), local_executor(1), BuildProgress())
    return out


def write_ear(path: Path, instruments: tuple[str, ...] = ("snare", "kick"), mel: LogMel = MEL) -> Path:
    """Write an untrained ear."""
    size = {"channels": [4], "width": 8, "layers": 1, "describer_width": 8, "describer_layers": 1, "embedding": 4}
    content = {"name": "small", "instruments": list(instruments), "model": size, "schedule": {"steps": 1}}
    recipe = EarRecipe.model_validate(content)
    torch.manual_seed(1)
    state = Ear(recipe.model, instruments).state_dict()
    path.write_bytes(encode_ear_checkpoint(EarCheckpoint(recipe=recipe, features=mel, state=state)))
    return path


@pytest.fixture(scope="module")
def ear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ear(tmp_path_factory.mktemp("ear") / "ear.pth")


@pytest.fixture(scope="module")
def with_ear(heard_data: Path, ear: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training of a model that hears with an ear. Not to be changed."""
    out = tmp_path_factory.mktemp("with-ear") / "out"
    train_models(heard_data, out, ear=ear, changes={**BOTH, "model": EAR_MODEL})
    return out


def test_a_batch_has_the_levels_and_the_hits_of_its_own_pairs(heard_data: Path) -> None:
    recipe = make_recipe(**BOTH, model={"condition": "mel"})
    data = open_data(heard_data, None, recipe, recipe.instruments)
    pairs = {
        pair["key"]: pair
        for split in ("train", "valid")
        for pair in load_features(heard_data, split, sounds=["mix"], rank=0, world_size=1)
    }
    tokens = {pair["key"]: pair for pair in load_tokens(heard_data, "train", rank=0, world_size=1)}
    train = list(TrainLoader(data, recipe, recipe.instruments, LoaderSettings(), lambda: 0))
    valid = list(ValidationLoader(data, recipe, recipe.instruments, LoaderSettings()))
    assert sum(len(batch.keys) for batch in valid) == 4
    for batch in [*train, *valid]:
        assert (batch.levels.dtype, batch.hits.dtype) == (torch.uint8, torch.int64)
        for row, key in enumerate(batch.keys):
            name = recipe.instruments[int(batch.instruments[row])]
            assert np.array_equal(batch.levels[row], pairs[key]["levels"]["mix"])
            found = batch.hits[row][batch.hits[row] >= 0].numpy()
            assert np.array_equal(found, frames_of_hits(pairs[key]["hits"][name], MEL, 44))
            assert key not in tokens or np.array_equal(batch.mixtures[row], tokens[key]["codes"]["mix"])
    assert batch.select(1).levels is not None
    assert len(batch.select(1).hits) == len(batch.select(1).keys)


def test_a_hit_is_in_the_frame_in_which_it_begins() -> None:
    samples = np.array([0, 511, 512, 44 * 512 - 1, 44 * 512])
    assert frames_of_hits((samples / RATE).astype(np.float32), MEL, 44).tolist() == [0, 1, 43]


@pytest.mark.parametrize("condition", ["mel", "ear"])
def test_the_order_of_pairs_does_not_depend_on_the_condition(condition: str, heard_data: Path) -> None:
    keys = []
    for each in ("tokens", condition):
        recipe = make_recipe(model={"condition": each})
        data = open_data(heard_data, None, recipe, recipe.instruments)
        keys.append([batch.keys for batch in TrainLoader(data, recipe, ("kick",), LoaderSettings(), lambda: 2)])
    assert keys[0] == keys[1]


def test_a_training_with_an_ear_leaves_the_ear_as_it_is(with_ear: Path, ear: Path) -> None:
    read = read_dose_checkpoint(with_ear / "kick-snare.pth")
    assert read.hearing is not None
    assert (read.hearing.mel, read.hearing.classes) == (MEL, (1, 0))
    stored = torch.load(ear, weights_only=True)["state_dict"]
    model = load_dose_model(read)
    assert model.listener is not None
    for name, value in model.listener.ear.state_dict().items():
        assert torch.equal(value, stored[name]), name
    report = json.loads((with_ear / "kick-snare" / "report.json").read_text())
    assert set(report["best"]["held_out"]) == {"all", "kick", "snare"}
    run = json.loads((with_ear / "run.json").read_text())
    assert len(run["ear"]) == len(run["data"]["features"]) == 64


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_an_interrupted_training_with_an_ear_resumes_exactly(
    optimizer: str, with_ear: Path, heard_data: Path, ear: Path, tmp_path: Path
) -> None:
    changes = {**BOTH, "model": EAR_MODEL, "schedule": {"optimizer": optimizer}}
    whole, parts = with_ear, tmp_path / "parts"
    if optimizer == "muon":
        whole = tmp_path / "whole"
        train_models(heard_data, whole, ear=ear, changes=changes)
    for until in (2, None):
        train_models(heard_data, parts, ear=ear, changes=changes, until=until)
    first, second = (read_state(out, "kick-snare")["state_dict"] for out in (whole, parts))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert (whole / "kick-snare.pth").read_bytes() == (parts / "kick-snare.pth").read_bytes()
    other = write_ear(tmp_path / "other.pth", ("kick", "snare"))
    with pytest.raises(RmodError, match=r"(?s)another training.*ear: existing"):
        train_models(heard_data, parts, ear=other, changes=changes)


def test_a_training_may_begin_from_a_model_with_an_ear(
    with_ear: Path, heard_data: Path, ear: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"changes": {**BOTH, "model": EAR_MODEL}, "begin_from": with_ear / "kick-snare.pth"}
    train_models(heard_data, tmp_path / "second", **options)
    states = [read_dose_checkpoint(out / "kick-snare.pth").state for out in (with_ear, tmp_path / "second")]
    name = "listener.ear.hits.weight"
    assert torch.equal(states[0][name], states[1][name])
    with pytest.raises(UsageError, match="has an ear of its own"):
        train_models(heard_data, tmp_path / "third", ear=ear, **options)


def test_a_training_of_an_older_version_resumes(tiny_tokens: Path, tmp_path: Path) -> None:
    changes, out = {"model": {"layout": "aligned"}}, tmp_path / "out"
    train_models(tiny_tokens, out, changes=changes, until=2)

    def make_old(recipe: dict[str, Any]) -> None:
        model = recipe["model"]
        model["condition"] = model.pop("layout")
        del model["hits_known"]

    run = json.loads((out / "run.json").read_text())
    make_old(run["recipe"])
    (out / "run.json").write_text(json.dumps(run))
    state = read_state(out)
    make_old(state["rmod_training"]["recipe"])
    torch.save(state, out / "kick" / "last.ckpt")
    (report,) = train_models(tiny_tokens, out, changes={"model": {"condition": "aligned"}})
    assert (report.steps, report.ended) == (6, "all steps")
    with pytest.raises(RmodError, match=r"recipe\.model\.layout: existing \"aligned\", requested \"delayed\""):
        train_models(tiny_tokens, out)


def test_a_model_that_hears_is_evaluated_and_extracts(
    with_ear: Path, heard_data: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    checkpoint = with_ear / "kick-snare.pth"
    read, family = read_dose_checkpoint(checkpoint), choose_family(heard_data)
    from_features, from_audio = (
        list(measure_condition_use(data, "valid", read, family)) for data in (heard_data, tiny_tokens)
    )
    assert from_features == from_audio
    assert all(each.onset != each.onset_with_other_mixture for each in from_features)
    results = api.evaluate(
        checkpoint, data=tiny_tokens, split="valid", pairs=1, codec=str(tiny_weights), tries=1, device="cpu",
        progress=False,
    )  # fmt: skip
    assert results.has("pairs", "DOSE", "snare")
    extractors, codec = open_extractors(checkpoint, (), str(tiny_weights), "cpu")
    answerers = Answerers.of_models(extractors, codec)
    encode, codec.encode = codec.encode, None  # type: ignore[method-assign,assignment]
    try:
        noise = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32) * 0.1
        extraction = extract_array(noise, RATE, answerers, ExtractionConfig(windows=1, tries=1))
    finally:
        codec.encode = encode  # type: ignore[method-assign]
    assert len(extraction["kick"].candidates) == 2, "nothing had to be encoded"


def test_a_model_hears_frames_of_its_codec_only(with_ear: Path, tiny_weights: Path) -> None:
    read = read_dose_checkpoint(with_ear / "kick-snare.pth")
    codec = open_codec(str(tiny_weights), device="cpu")
    assert make_extractor(read, "snare", load_model_for_codec(read, codec)).class_index == 1
    object.__setattr__(read.hearing, "mel", LogMel(sample_rate=RATE, hop=256))
    with pytest.raises(DoseError, match="hears frames of 256 samples at 22050 Hz, but the codec"):
        load_model_for_codec(read, codec)


def test_an_error_says_what_is_missing_or_does_not_fit(
    tiny_tokens: Path, heard_data: Path, ear: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    kick_only = write_ear(tmp_path / "kick.pth", ("kick",))
    other_mel = write_ear(tmp_path / "mel.pth", mel=LogMel(sample_rate=RATE, lowest_hz=40.0))
    cases: list[tuple[Path, dict[str, Any], type[RmodError], str]] = [
        (tiny_tokens, {"model": {"condition": "mel"}}, ShardError, "no features here.*rmod features"),
        (heard_data, {"model": {"condition": "mel"}, "ear": ear}, UsageError, "condition: mel, which needs no ear"),
        (heard_data, {"ear": ear}, UsageError, "condition: tokens, which needs no ear"),
        (heard_data, {**BOTH, "model": EAR_MODEL, "ear": kick_only}, DoseError, "hears kick, not snare"),
        (heard_data, {"model": EAR_MODEL, "ear": other_mel}, DoseError, "another definition than mel-"),
        (heard_data, {"model": EAR_MODEL, "ear": tmp_path / "none.pth"}, DoseError, r"none\.pth"),
        (heard_data, {"model": EAR_MODEL, "ear": heard_data / "build.json"}, DoseError, r"build\.json"),
    ]
    for data, changes, kind, message in cases:
        given = changes.pop("ear", None)
        with pytest.raises(kind, match=f"(?s){message}"):
            train_models(data, out, ear=given, changes=changes)
    assert not out.exists()


def test_an_error_names_features_that_are_unfinished(heard_data: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(heard_data, tmp_path / "data"))
    for receipt in (data / "receipts" / "features").rglob("valid*"):
        receipt.unlink()
    with pytest.raises(ShardError, match=r"(?s)split valid.*finish the build or the features"):
        train_models(data, tmp_path / "out", changes={"model": {"condition": "mel"}})


def test_the_command_trains_with_an_ear(heard_data: Path, ear: Path, tmp_path: Path, rmod: Rmod) -> None:
    recipe = write_recipe(tmp_path, model=EAR_MODEL, schedule={"steps": 2})
    out = tmp_path / "models"
    options = ["--data", heard_data, "--out", out, "--workers", 0, "--device", "cpu"]
    result = rmod("train", recipe, *options, "--ear", ear)
    assert result.code == 0, result
    assert read_dose_checkpoint(out / "kick.pth").hearing is not None
