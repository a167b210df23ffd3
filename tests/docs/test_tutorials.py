"""The tutorials can be run as they are printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, TUTORIALS, Block, blocks_of

SHELL = ("bash", "-euc")
RUN = {"sh": SHELL, "python": (sys.executable, "-c")}
NOTEBOOK_PAGE = "read-the-shards.md"
"""Generated from the notebook, which has a test of its own."""

PAGES = sorted(page for page in TUTORIALS.glob("*.md") if page.name != NOTEBOOK_PAGE)


@pytest.fixture(scope="module")
def environment(cache: Path) -> dict[str, str]:
    """The environment of a user whose shell has activated the virtual environment."""
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": paths, "PYTHONPATH": str(ROOT), "RMOD_CACHE": str(cache), "COLUMNS": "100"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.long
def test_a_tutorial_runs_as_printed(page: Path, environment: dict[str, str], tmp_path: Path) -> None:
    """A `text` block below a command has what the command prints; `...` stands for anything."""
    printed = ""
    ran = 0
    for block in blocks_of(page):
        if block.language == "text":
            assert not missing_lines(block, printed), f"not printed: {missing_lines(block, printed)}\n{printed}"
        elif block.language in RUN and block.not_run is None:
            run = subprocess.run(
                [*RUN[block.language], block.code],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            printed = run.stdout + run.stderr
            assert run.returncode == 0, f"{block.code}\n{printed}"
            ran += 1
    assert ran, "nothing was run"


def missing_lines(block: Block, printed: str) -> list[str]:
    """Return the lines of a `text` block that a command did not print."""
    patterns = {line: ".*".join(map(re.escape, line.split("..."))) for line in block.code.splitlines() if line}
    return [line for line, pattern in patterns.items() if not re.search(f"^{pattern}", printed, re.MULTILINE)]


def test_what_is_not_run_says_why() -> None:
    """Only a cluster, an object store or machines of one's own are a reason."""
    reasons = [block.not_run for page in PAGES for block in blocks_of(page) if block.not_run]
    assert reasons
    assert all(re.search(r"\bneeds (a Ray cluster|machines of your own)", reason) for reason in reasons), reasons
