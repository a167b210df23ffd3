"""The default recipe: chance and typical stand in it where there are training one-shots, and damage is no lack."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rmod_pipeline.errors import ShardError
from rmod_pipeline.evaluation.defaults import make_default_recipe
from rmod_pipeline.shards.layout import Layout
from tests.tiny_pairs import import_tiny, write_pairs


def test_chance_and_typical_need_a_train_split(tiny_built: Path, tmp_path: Path) -> None:
    import_tiny(write_pairs(tmp_path / "pairs"), tmp_path / "out")
    assert {"chance", "typical"} <= set(make_default_recipe(tiny_built, "valid").names)
    assert not {"chance", "typical"} & set(make_default_recipe(tmp_path / "out", "test").names)


def test_a_data_set_that_is_missing_or_damaged_is_no_data_set_without_a_train_split(
    tiny_built: Path, tmp_path: Path
) -> None:
    with pytest.raises(ShardError, match="nowhere"):
        make_default_recipe(tmp_path / "nowhere", "valid")
    shutil.copytree(tiny_built, tmp_path / "out")
    for path in Layout(tmp_path / "out").index("train-000000").parent.glob("train-*"):
        path.unlink()
    with pytest.raises(ShardError, match="train-000000"):
        make_default_recipe(tmp_path / "out", "valid")
