"""Files of ears: what only they hold. The laws of all models' files are in tests/codec/test_model_files.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.ear.checkpoint import (
    EarCheckpoint,
    encode_ear_checkpoint,
    load_ear_model,
    read_ear_checkpoint,
)
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.errors import ModelError
from rmod_pipeline.features import LogMel
from tests.training.ear.ear_examples import make_recipe


def make_checkpoint() -> EarCheckpoint:
    recipe: EarRecipe = make_recipe()
    torch.manual_seed(0)
    state = Ear(recipe.model, recipe.instruments).state_dict()
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
    assert [read.class_index(name) for name in ("kick", "snare")] == [0, 1]
    model = load_ear_model(read)
    assert not model.training
    levels = torch.randint(0, 256, (2, 2, 64, 44), dtype=torch.uint8)
    written_model = Ear(written.recipe.model, written.recipe.instruments).eval()
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
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
