"""Mixtures have the loudness and stereo width of the two published mixtures. See docs/lab/levels.md."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from rmod_pipeline.recipe import find_recipe, load_recipe

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "levels.py"


@pytest.fixture(scope="module")
def levels() -> ModuleType:
    """The script behind docs/lab/levels.md, which holds the limits."""
    spec = importlib.util.spec_from_file_location("levels_benchmark", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["levels_benchmark"] = module
    spec.loader.exec_module(module)
    return module


def check(levels: ModuleType, manifest: str, pairs: int) -> None:
    rejects: Counter[str] = Counter()
    measured = list(levels.mix_levels(manifest, load_recipe(find_recipe("rmod")), pairs, rejects))
    assert len(measured) == pairs
    assert rejects.total() <= pairs * 0.02
    limited = [level for level in levels.LEVELS if level.limits]
    assert {level.field for level in limited} == {"lufs", "side_mid_db", "full_scale_share"}
    for level in limited:
        assert levels.share_within(level, measured) >= levels.ENOUGH, f"{level.title}\n{levels.table(measured)}"


@pytest.mark.long
def test_mixtures_of_the_built_in_kit_are_as_loud_and_wide_as_the_published_ones(levels: ModuleType) -> None:
    check(levels, "builtin", 20)


@pytest.mark.long
def test_mixtures_of_real_recordings_are_as_loud_and_wide_as_the_published_ones(
    levels: ModuleType, real_library_folder: Path, tmp_path: Path
) -> None:
    manifest, labels = tmp_path / "lib.csv", real_library_folder / "library.csv"
    scan = ["library", "scan", real_library_folder, "--labels", labels, "--out", manifest, "--workers", "1"]
    subprocess.run([sys.executable, "-c", "from rmod_pipeline.cli import main; main()", *map(str, scan)], check=True)
    check(levels, str(manifest), 25)
