"""DOSE checkpoints: what only they hold. The laws of all models' files are in tests/codec/test_model_files.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.codec import CodecIdentity
from rmod_pipeline.dose.checkpoint import (
    DoseCheckpoint,
    checkpoint_name,
    load_dose_model,
    read_dose_checkpoint,
    write_checkpoint,
)
from rmod_pipeline.dose.generation import generate
from rmod_pipeline.errors import CodecError, DoseError
from tests.dose.dose_examples import CODEC, make_condition, small_model, small_recipe, small_size


def make_checkpoint(**changes: Any) -> DoseCheckpoint:
    fields = {
        "recipe": small_recipe(),
        "instruments": ("kick",),
        "codec": CODEC,
        "progress": {"step": 7, "valid": 1.5},
        "state": small_model().state_dict(),
    }
    return DoseCheckpoint(**{**fields, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_checkpoint(make_checkpoint(), tmp_path / "made")


def change_metadata(path: Path, **changes: Any) -> Path:
    """Write a copy of a checkpoint with other metadata; None removes a key."""
    content = torch.load(path, weights_only=True)
    content["metadata"] = {key: value for key, value in {**content["metadata"], **changes}.items() if value is not None}
    torch.save(content, path.with_name("changed.pth"))
    return path.with_name("changed.pth")


def test_a_checkpoint_is_read_as_it_was_written(path: Path) -> None:
    read, written = read_dose_checkpoint(path), make_checkpoint()
    assert path.name == "kick.pth"
    assert read.about == str(path)
    for name in ("recipe", "instruments", "codec", "progress"):
        assert getattr(read, name) == getattr(written, name)
    mixtures = make_condition(2)
    before, after = generate(small_model(), mixtures, 6), generate(load_dose_model(read), mixtures, 6)
    assert torch.equal(before.codes, after.codes)


def test_training_a_loaded_model_does_not_change_its_checkpoint(path: Path) -> None:
    read = read_dose_checkpoint(path)
    model = load_dose_model(read)
    assert {(each.device.type, each.dtype, each.requires_grad) for each in model.parameters()} == {
        ("cpu", torch.float32, True)
    }
    with torch.no_grad():
        model.head.bias.add_(1)
    assert not torch.equal(model.head.bias, read.state["head.bias"])


def test_loading_imports_no_compiler_and_draws_no_random_number(path: Path) -> None:
    code = """if True:
        import pathlib, sys, torch
        from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint
        state = torch.get_rng_state()
        load_dose_model(read_dose_checkpoint(pathlib.Path(sys.argv[1])))
        print("torch._dynamo" in sys.modules, torch.equal(state, torch.get_rng_state()))
    """
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]


def test_a_model_of_several_instruments_has_their_names_in_order(tmp_path: Path) -> None:
    names = ("kick", "snare", "hihat")
    recipe = small_recipe(instruments=list(names), one_model=True)
    several = make_checkpoint(recipe=recipe, instruments=names, state=small_model(instruments=3).state_dict())
    read = read_dose_checkpoint(write_checkpoint(several, tmp_path))
    assert checkpoint_name(names) == "kick-snare-hihat.pth"
    assert [read.class_index(name) for name in names] == [0, 1, 2]
    assert load_dose_model(read).instruments is not None
    with pytest.raises(DoseError, match="kick and snare and hihat, not snar \\(did you mean 'snare'"):
        read.class_index("snar")


def test_an_error_names_an_unknown_instrument(path: Path) -> None:
    with pytest.raises(DoseError, match=r"kick\.pth: extracts kick, not snare"):
        read_dose_checkpoint(path).class_index("snare")


def test_an_error_names_what_differs_of_another_codec(path: Path) -> None:
    read = read_dose_checkpoint(path)
    read.require_codec(CodecIdentity(**CODEC))
    read.require_codec(CodecIdentity(**{**CODEC, "name": "moved-12345678"}))
    with pytest.raises(CodecError, match="number of codebooks 3, the codec some-12345678 has 9"):
        read.require_codec(CodecIdentity(**{**CODEC, "codebooks": 9}))
    with pytest.raises(CodecError, match="sha256"):
        read.require_codec(CodecIdentity(**{**CODEC, "sha256": "cd" * 32}))


def test_an_error_names_what_differs_of_another_size(path: Path) -> None:
    read = read_dose_checkpoint(path)
    read.require_size(small_size())
    read.require_size(small_size(dropout=0.3, attention_dropout=0.1, condition_dropout=0.2))
    with pytest.raises(DoseError, match="a model with layers 2, the recipe asks for 3"):
        read.require_size(small_size(layers=3))


def test_a_huge_model_in_a_recipe_takes_no_memory(path: Path) -> None:
    giant = small_size(width=16_384, heads=1, feed_forward=65_536, codebook_size=65_535, codebooks=64)
    wrong = change_metadata(path, recipe=small_recipe(model=giant).model_dump(mode="json"))
    with pytest.raises(DoseError, match="do not fit"):
        load_dose_model(read_dose_checkpoint(wrong))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instruments": None}, "a model for None"),
        ({"instruments": ["snare"]}, "a model for \\['snare'\\]"),
        ({"instruments": [["kick"]]}, "a model for"),
        ({"codec": None}, "which codec"),
        ({"progress": 3}, "which codec"),
    ],
)
def test_an_error_describes_incomplete_metadata(path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DoseError, match=message):
        read_dose_checkpoint(change_metadata(path, **changes))


def test_a_published_checkpoint_is_to_be_imported(tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2.0"}, tmp_path / "kick.ckpt")
    with pytest.raises(DoseError, match="not a checkpoint of rmod\n  -> `rmod dose import"):
        read_dose_checkpoint(tmp_path / "kick.ckpt")


def test_an_error_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DoseError, match="cannot be written"):
        write_checkpoint(make_checkpoint(), tmp_path / "taken")
