"""`rmod recipe`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rmod_pipeline.recipe import load_recipe, parse_recipe


def rmod(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from rmod_pipeline.cli import main; main()", "recipe", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_show_prints_what_loads_again(tmp_path: Path) -> None:
    shown = rmod("show", "quick")
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "again.yaml").write_text(shown.stdout)
    assert rmod("show", "again.yaml", cwd=tmp_path).stdout == shown.stdout
    assert parse_recipe(shown.stdout) == load_recipe(tmp_path / "again.yaml")


def test_check_says_ok_in_a_line() -> None:
    checked = rmod("check", "rmod_drums_only")
    assert checked.returncode == 0
    assert checked.stdout == "rmod_drums_only: ok, 4 s of kick, snare, hihat; to extract: kick, snare, hihat\n"


def test_check_of_a_bad_recipe_ends_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: bad\ndrums: {kick: {hitz: 3}}\n")
    checked = rmod("check", "bad.yaml", cwd=tmp_path)
    assert checked.returncode == 2
    assert checked.stdout == ""
    assert "line 2: drums.kick.hitz: unknown key 'hitz' (did you mean 'hits'?)" in checked.stderr
    assert "Traceback" not in checked.stderr


@pytest.mark.slow
def test_check_with_a_library(tmp_path: Path) -> None:
    checked = rmod("check", "quick", "--library", "builtin")
    assert checked.returncode == 0, checked.stderr
    assert "builtin: train has enough: kick" in checked.stdout
    (tmp_path / "gongs.yaml").write_text("name: gongs\ndrums: {kick: {}, gong: {}}\n")
    lacking = rmod("check", "gongs.yaml", "--library", "builtin", cwd=tmp_path)
    assert lacking.returncode == 2
    assert "no gong at all" in lacking.stderr


def test_a_split_that_is_none_is_refused() -> None:
    refused = rmod("check", "quick", "--library", "builtin", "--splits", "trian")
    assert refused.returncode == 2
    assert "did you mean 'train'" in refused.stderr


def test_schema_to_a_file(tmp_path: Path) -> None:
    assert rmod("schema", "--out", "schema.json", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "schema.json").read_text()) == json.loads(rmod("schema").stdout)
    refused = rmod("schema", "--out", "nowhere/schema.json", cwd=tmp_path)
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr


def test_help_teaches_and_does_not_wait_for_the_heavy_parts() -> None:
    for command in ("show", "check", "schema"):
        assert "rmod recipe" in rmod(command, "--help").stdout
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, rmod_pipeline.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"numpy", "pydantic", "pyarrow", "librosa", "torch"} & set(loaded)
