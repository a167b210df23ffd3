"""Data sets for the tests of the report, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inspection.report.planted import build, build_with_mistakes


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """A data set of 170 pairs without a mistake. Not to be changed."""
    return build(tiny_manifest, tmp_path_factory.mktemp("clean") / "out")


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> tuple[Path, Path]:
    """A manifest, and a data set of its sounds with a leak, a clipped pair and biased draws. Not to be changed."""
    return build_with_mistakes(tmp_path_factory.mktemp("planted"))
