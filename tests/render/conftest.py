"""The tiny library, written once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline.library.asset import Library
from rmod_pipeline.render import Sounds
from tests.render.render_examples import make_library, open_sounds


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return make_library(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def pitched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of prepared sounds that all tests share."""
    return tmp_path_factory.mktemp("pitch")


@pytest.fixture
def sounds(tiny: Library, pitched: Path) -> Sounds:
    return open_sounds(tiny, pitched)
