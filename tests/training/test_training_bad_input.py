"""Errors of every training: unusable data, devices and recipes. Those of one kind of model have files of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.token_family import family_names
from rmod_pipeline.shards.windows.feature_family import feature_names
from tests.training.ear import ear_examples
from tests.training.training_examples import Rmod, assert_refused, write_recipe


@dataclass(frozen=True)
class Kind:
    """A kind of model, and what its training needs of a data set."""

    write_recipe: Callable[..., Path]
    top: str
    """The folder of what it needs, which is also the word for it."""
    names: Callable[[Path], list[str]]
    command: str
    """The command that makes it."""
    work: str


KINDS = {
    "dose": Kind(write_recipe, "tokens", family_names, "rmod encode", "the encoding"),
    "ear": Kind(ear_examples.write_recipe, "features", feature_names, "rmod features", "the features"),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def data(kind: Kind, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A data set that a test may change."""
    return Path(shutil.copytree(request.getfixturevalue(f"tiny_{kind.top}"), tmp_path / "data"))


def _remove_family(data: Path, kind: Kind) -> None:
    shutil.rmtree(data / kind.top)


def _remove_receipt(data: Path, kind: Kind) -> None:
    (name,) = kind.names(data)
    Layout(data).receipt("train-000002", f"{kind.top}/{name}").unlink()


def _remove_valid_pairs(data: Path, _kind: Kind) -> None:
    content = json.loads((data / "build.json").read_bytes())
    (data / "build.json").write_text(json.dumps({**content, "pairs": {"train": 10}}))


def _remove_all(data: Path, _kind: Kind) -> None:
    shutil.rmtree(data)


def _change_nothing(_data: Path, _kind: Kind) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (_remove_family, [], "no {top} here -> make them: `{command} "),
        (_remove_receipt, [], "1 of 4 shards of {top}/"),
        (_remove_receipt, [], "finish the build or {work} with the same command; `rmod status "),
        (_remove_valid_pairs, [], "split valid: no pairs in it; there are 10 train -> build a data set with"),
        (_remove_all, [], "no data set here"),
        (_change_nothing, ["--devices", "4"], "split valid: 2 pairs in it, for 4 devices -> give fewer --devices"),
        (_change_nothing, ["--devices", "3"], "a batch of 4 pairs cannot be divided evenly among 3 devices ->"),
        (_change_nothing, ["--device", "tpu"], "--device: no device is called tpu -> choose auto, cpu, cuda"),
        (_change_nothing, ["--begin-from", "none.pth"], "none.pth: no weights here"),
    ],
)  # fmt: skip
def test_an_error_names_bad_input_and_a_remedy(
    change: Callable[[Path, Kind], None], options: list[str], message: str,
    kind: Kind, data: Path, tmp_path: Path, rmod: Rmod,
) -> None:  # fmt: skip
    change(data, kind)
    expected = message.format(top=kind.top, command=kind.command, work=kind.work)
    assert_refused(rmod, kind.write_recipe(tmp_path), data, tmp_path / "models", options, expected)


def test_an_unknown_key_of_a_recipe_is_named(kind: Kind, data: Path, tmp_path: Path, rmod: Rmod) -> None:
    recipe = kind.write_recipe(tmp_path, model={"wdith": 3})
    assert_refused(rmod, recipe, data, tmp_path / "models", [], "did you mean 'width'?")
