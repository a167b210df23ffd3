"""Files of ears: what is read and what is refused; no code in a file is ever run."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.ear.checkpoint import (
    FORMAT,
    EarCheckpoint,
    encode_ear_checkpoint,
    load_ear_model,
    read_ear_checkpoint,
)
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import ForeignFileError, ModelError
from rmod_pipeline.features import LogMel
from tests.training.ear.ear_examples import make_recipe


class Malice:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def make_checkpoint() -> EarCheckpoint:
    recipe: EarRecipe = make_recipe()
    torch.manual_seed(0)
    state = Ear(recipe.model, len(recipe.instruments)).state_dict()
    return EarCheckpoint(recipe=recipe, features=LogMel(), progress={"step": 7}, state=state)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ear.pth"
    path.write_bytes(encode_ear_checkpoint(make_checkpoint()))
    return path


def change_metadata(path: Path, **changes: Any) -> Path:
    """Write a copy of a file with other metadata; None removes a key."""
    content = torch.load(path, weights_only=True)
    content["metadata"] = {key: value for key, value in {**content["metadata"], **changes}.items() if value is not None}
    torch.save(content, path.with_name("changed.pth"))
    return path.with_name("changed.pth")


def test_an_ear_is_read_as_it_was_written(path: Path) -> None:
    read, written = read_ear_checkpoint(path), make_checkpoint()
    assert (read.recipe, read.features, read.progress) == (written.recipe, written.features, written.progress)
    assert read.about == str(path)
    assert [read.class_index(name) for name in ("kick", "snare")] == [0, 1]
    model = load_ear_model(read)
    assert not model.training
    levels = torch.randint(0, 256, (2, 2, 64, 44), dtype=torch.uint8)
    written_model = Ear(written.recipe.model, 2).eval()
    written_model.load_state_dict(dict(written.state))
    assert torch.equal(model.listen(levels).hit_logits, written_model.listen(levels).hit_logits)
    assert encode_ear_checkpoint(read) == path.read_bytes()


def test_an_error_names_what_does_not_fit(path: Path) -> None:
    read = read_ear_checkpoint(path)
    read.require_features(LogMel())
    read.require_size(read.recipe.model)
    with pytest.raises(ModelError, match=r"ear\.pth: hears kick and snare, not snar \(did you mean 'snare'"):
        read.class_index("snar")
    with pytest.raises(ModelError, match="hears features with sample rate 44100, these have 22050"):
        read.require_features(LogMel(sample_rate=22_050))
    with pytest.raises(ModelError, match="a model with width 8, the recipe asks for 16"):
        read.require_size(make_recipe(model={"width": 16}).model)


def test_weights_that_do_not_fit_their_recipe_are_refused(path: Path) -> None:
    changed = change_metadata(path, recipe=make_recipe(model={"width": 16}).model_dump(mode="json"))
    with pytest.raises(ModelError, match=r"changed\.pth: the weights do not fit the recipe in the file"):
        load_ear_model(read_ear_checkpoint(changed))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark, plain, zipped = tmp_path / "it ran", tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps({"state_dict": Malice(mark)}, protocol=protocol))
    torch.save({FORMAT: 1, "state_dict": {}, "metadata": Malice(mark)}, zipped)
    for path in (plain, zipped):
        with pytest.raises(ModelError, match="refused"):
            read_ear_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("damage", ["missing", "folder", "empty", "text", "cut", "flipped"])
def test_an_error_names_a_broken_file(path: Path, damage: str) -> None:
    data, broken = path.read_bytes(), path.with_name("broken.pth")
    damaged = {"empty": b"", "text": b"<html>", "cut": data[: len(data) // 2]}
    damaged["flipped"] = data[:200] + bytes(100) + data[300:]
    if damage == "folder":
        broken.mkdir()
    elif damage in damaged:
        broken.write_bytes(damaged[damage])
    with pytest.raises(ModelError, match=r"broken\.pth"):
        read_ear_checkpoint(broken)


def test_an_error_describes_another_kind_of_file(path: Path) -> None:
    other, state = path.with_name("other.pth"), {"weight": torch.zeros(2)}
    for content, message in (
        ([1, 2], "not a checkpoint of rmod"),
        ({"rmod_dose": 1, "state_dict": state}, "a DOSE checkpoint, not an ear"),
        ({FORMAT: 2, "state_dict": state}, "format 2"),
        ({FORMAT: 1}, "other things than arrays"),
        ({FORMAT: 1, "state_dict": {"weight": torch.full((2,), torch.nan)}}, "NaN"),
        ({FORMAT: 1, "state_dict": state}, "no metadata"),
    ):
        torch.save(content, other)
        with pytest.raises(ModelError, match=message) as caught:
            read_ear_checkpoint(other)
        assert isinstance(caught.value, ForeignFileError) == (FORMAT not in content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": None}, "its recipe cannot be read"),
        ({"recipe": {"name": "x"}}, "schedule: Field required"),
        ({"features": None}, "features that this rmod does not compute: its format is not"),
        ({"features": 3}, "features that this rmod does not compute"),
        ({"features": {**LogMel().to_dict(), "format": "log-mel-9"}}, "its format is not log-mel-1"),
        ({"features": LogMel(bands=32).to_dict()}, r"features of 32 bands, the recipe has model\.bands 64"),
        ({"features": LogMel(step_db=1.0).to_dict()}, r"levels in steps of 1\.0 dB"),
    ],
)
def test_an_error_describes_unusable_metadata(path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_ear_checkpoint(change_metadata(path, **changes))


def test_equal_ears_have_equal_bytes() -> None:
    assert encode_ear_checkpoint(make_checkpoint()) == encode_ear_checkpoint(replace(make_checkpoint()))
