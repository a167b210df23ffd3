"""Fixtures for the tests of builds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_build import RECIPE


@pytest.fixture(scope="session")
def ended_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The recipe of the small data set as a file."""
    file = tmp_path / "tiny.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for one test alone, so that it does not use what another test has fetched."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RMOD_CACHE", str(folder))
    return folder
