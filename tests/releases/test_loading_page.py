"""The code of docs/guides/loading.md runs as it is printed, from the folder of a release alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, blocks_of

PAGE = DOCS / "guides" / "loading.md"
BLOCKS = [block.code for block in blocks_of(PAGE) if block.language == "python"]
TOOLS = ["rmod_pipeline", "webdataset", "torch", "datasets", "load_dataset", "duckdb", "pandas", "mlcroissant"]


def test_there_is_a_block_for_every_tool() -> None:
    assert len(BLOCKS) == len(TOOLS)
    assert all(tool in block for tool, block in zip(TOOLS, BLOCKS, strict=True))


@pytest.mark.parametrize("block", BLOCKS, ids=TOOLS)
def test_the_block_runs(block: str, on_hub: Path, tmp_path: Path) -> None:
    (tmp_path / "RELEASE").symlink_to(on_hub)
    script = tmp_path / "script.py"
    script.write_text(f"{block}\nprint('run to the end')\n", encoding="utf-8")
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache"), "http_proxy": "http://127.0.0.1:9"}
    environment = {**os.environ, **offline, "https_proxy": offline["http_proxy"]}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("run to the end\n")
