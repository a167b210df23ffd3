"""Fixtures for the tests of the training of ears."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.training.ear.ear_examples import train


@pytest.fixture(scope="session")
def trained_ear(tiny_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training of an ear. A test must not change it."""
    out = tmp_path_factory.mktemp("trained-ear") / "out"
    train(tiny_features, out)
    return out


@pytest.fixture
def features_copy(tiny_features: Path, tmp_path: Path) -> Path:
    """A copy of the data set that a test may change."""
    return Path(shutil.copytree(tiny_features, tmp_path / "data"))
