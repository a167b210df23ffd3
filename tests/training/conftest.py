"""Fixtures for the tests of training: a finished training, and a data set that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.training.training_examples import train_models


@pytest.fixture(scope="session")
def finished_training(tiny_tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training of kicks. A test must not change it."""
    out = tmp_path_factory.mktemp("trained") / "out"
    train_models(tiny_tokens, out)
    return out


@pytest.fixture
def data_copy(tiny_tokens: Path, tmp_path: Path) -> Path:
    """A copy of the data set that a test may change."""
    return Path(shutil.copytree(tiny_tokens, tmp_path / "data"))
