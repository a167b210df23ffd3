"""Laws of the files of all models: what is read and what is refused; no code in a file is ever run."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from rmod_pipeline.codec.model_files import ModelFormat
from rmod_pipeline.dose.checkpoint import FILES as DOSE_FILES
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, encode_dose_checkpoint, load_dose_model, read_dose_checkpoint
from rmod_pipeline.ear.checkpoint import FILES as EAR_FILES
from rmod_pipeline.ear.checkpoint import EarCheckpoint, encode_ear_checkpoint, load_ear_model, read_ear_checkpoint
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.errors import ForeignFileError, ModelError
from rmod_pipeline.features import LogMel
from tests.dose.dose_examples import CODEC, small_model, small_recipe, small_size
from tests.training.ear.ear_examples import make_recipe


@dataclass(frozen=True)
class Kind:
    """A kind of model, and a recipe of another size than that of the model that ``encode`` writes."""

    files: ModelFormat
    encode: Callable[[], bytes]
    read: Callable[[Path], Any]
    load: Callable[[Any], torch.nn.Module]
    other_recipe: dict[str, Any]
    refused: str
    """What its file is to a reader of the other kind."""


def encode_dose() -> bytes:
    state = small_model().state_dict()
    checkpoint = DoseCheckpoint(recipe=small_recipe(), instruments=("kick",), codec=CODEC, state=state)
    return encode_dose_checkpoint(checkpoint)


def encode_ear() -> bytes:
    recipe = make_recipe()
    torch.manual_seed(0)
    state = Ear(recipe.model, recipe.instruments).state_dict()
    return encode_ear_checkpoint(EarCheckpoint(recipe=recipe, features=LogMel(), state=state))


KINDS = {
    "dose": Kind(
        files=DOSE_FILES,
        encode=encode_dose,
        read=read_dose_checkpoint,
        load=load_dose_model,
        other_recipe=small_recipe(model=small_size(width=64)).model_dump(mode="json"),
        refused="a DOSE checkpoint, not an ear",
    ),
    "ear": Kind(
        files=EAR_FILES,
        encode=encode_ear,
        read=read_ear_checkpoint,
        load=load_ear_model,
        other_recipe=make_recipe(model={"width": 16}).model_dump(mode="json"),
        refused="an ear, not a DOSE checkpoint",
    ),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def path(kind: Kind, tmp_path: Path) -> Path:
    (tmp_path / "model.pth").write_bytes(kind.encode())
    return tmp_path / "model.pth"


class Malice:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


def test_equal_models_have_equal_files(kind: Kind, path: Path) -> None:
    assert kind.encode() == path.read_bytes()
    read = kind.read(path)
    assert read.about == str(path)
    model = kind.load(read)
    assert not model.training
    assert all(torch.equal(weights, read.state[name]) for name, weights in model.state_dict().items())


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(kind: Kind, tmp_path: Path, protocol: int) -> None:
    mark, plain, zipped = tmp_path / "it ran", tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps({"state_dict": Malice(mark)}, protocol=protocol))
    torch.save({kind.files.key: 1, "state_dict": {}, "metadata": Malice(mark)}, zipped)
    for path in (plain, zipped):
        with pytest.raises(ModelError, match="refused"):
            kind.read(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("missing", "no weights here: No such file"),
        ("folder", "no weights here: Is a directory"),
        ("empty", "an empty file, not a checkpoint"),
        ("text", "text, not a checkpoint"),
        ("sound", "a file of another kind, not a checkpoint"),
        ("cut", "not a checkpoint, or a broken one"),
        ("flipped", ""),
    ],
)
def test_an_error_names_a_broken_file_and_what_to_give(kind: Kind, path: Path, damage: str, found: str) -> None:
    data, broken = path.read_bytes(), path.with_name("broken.pth")
    damaged = {"empty": b"", "text": "<html> ä".encode() * 99, "sound": b"RIFF\x24\0\0\0WAVE", "cut": data[:1000]}
    damaged["flipped"] = data[:200] + bytes(100) + data[300:]
    if damage == "folder":
        broken.mkdir()
    elif damage in damaged:
        broken.write_bytes(damaged[damage])
    with pytest.raises(ModelError) as caught:
        kind.read(broken)
    assert (caught.value.about, caught.value.hint) == (str(broken), kind.files.hint)
    assert caught.value.found.startswith(found)


def test_an_error_describes_another_kind_of_file(kind: Kind, path: Path) -> None:
    key, other, state = kind.files.key, path.with_name("other.pth"), {"weight": torch.zeros(2)}
    for content, message in (
        ([1, 2], "not a checkpoint of rmod"),
        ({key: 2, "state_dict": state}, "format 2"),
        ({key: 1}, "other things than arrays"),
        ({key: 1, "state_dict": {"weight": 3}}, "other things than arrays"),
        ({key: 1, "state_dict": {"weight": torch.full((2,), torch.nan)}}, "NaN"),
        ({key: 1, "state_dict": state}, "no metadata"),
    ):
        torch.save(content, other)
        with pytest.raises(ModelError, match=message) as caught:
            kind.read(other)
        assert isinstance(caught.value, ForeignFileError) == (key not in content)


@pytest.mark.parametrize(("name", "other"), [("dose", "ear"), ("ear", "dose")])
def test_a_model_of_another_kind_is_named(name: str, other: str, tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(KINDS[name].encode())
    with pytest.raises(ForeignFileError, match=KINDS[name].refused):
        KINDS[other].read(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("recipe", "message"), [(None, "its recipe cannot be read"), ({"name": "x"}, "schedule: Field required")]
)
def test_an_error_describes_an_unusable_recipe(kind: Kind, path: Path, recipe: Any, message: str) -> None:
    change_recipe(path, recipe)
    with pytest.raises(ModelError, match=message):
        kind.read(path)


def test_weights_that_do_not_fit_their_recipe_are_refused(kind: Kind, path: Path) -> None:
    change_recipe(path, kind.other_recipe)
    with pytest.raises(ModelError, match=r"model\.pth: the weights do not fit the recipe in the file"):
        kind.load(kind.read(path))


def change_recipe(path: Path, recipe: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, "metadata": {**content["metadata"], "recipe": recipe}}, path)
