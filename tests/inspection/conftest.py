"""Fixtures of the inspection tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def out(tiny_built: Path, tmp_path: Path) -> Path:
    """A copy of the finished data set, to damage."""
    return Path(shutil.copytree(tiny_built, tmp_path / "out"))
