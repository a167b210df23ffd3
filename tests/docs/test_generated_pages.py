"""Pages that are made from code are current, and the notebook prints what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import DOCS, ROOT, blocks_of


def run(script: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RMOD_CACHE": str(cache)}
    command = [sys.executable, str(DOCS / script), "--check"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_the_command_line_and_the_recipe_keys_are_those_of_the_code(cache: Path) -> None:
    checked = run("generate.py", cache)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_python_on_the_page_of_kinds_is_true() -> None:
    blocks = blocks_of(DOCS / "reference" / "taxonomy.md")
    assert [block.language for block in blocks] == ["python"]
    exec(blocks[0].code, {})


def test_the_notebook_runs_and_prints_what_it_shows(cache: Path) -> None:
    checked = run("notebook.py", cache)
    assert checked.returncode == 0, checked.stdout + checked.stderr
