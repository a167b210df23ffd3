"""The code of docs/guides/reading.md and features.md runs as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent.parent / "docs" / "guides" / "reading.md"

BLOCKS, FEATURE_BLOCKS = (
    re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for page in (PAGE, PAGE.with_name("features.md"))
)

OTHERS = """
read = sorted(pair["__key__"] for pair in pairs.map(tokens))
assert read == [f"train-{index:08d}" for index in range(10)], read
"""
"""A check that the test appends to the blocks without rmod."""


def run(blocks: list[str], encoded: Path, folder: Path) -> None:
    (folder / "OUT").symlink_to(encoded)
    script = folder / "script.py"
    script.write_text("\n\n".join([*blocks, "print('run to the end')"]), encoding="utf-8")
    command = [sys.executable, "-W", "error::UserWarning", str(script)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "run to the end\n"), done.stderr


def test_the_blocks_with_rmod_and_with_webdataset(encoded: Path, mini_weights: Path, tmp_path: Path) -> None:
    blocks = [code + OTHERS if "wds.WebDataset" in code else code for code in BLOCKS if "from datasets" not in code]
    assert len(blocks) == 7
    # The data set of this test has the tokens of a random codec.
    run([code.replace('open_codec("mini")', f'open_codec("{mini_weights}")') for code in blocks], encoded, tmp_path)


def test_the_blocks_with_features(with_both: Path, tmp_path: Path) -> None:
    assert len(FEATURE_BLOCKS) == 2
    run(FEATURE_BLOCKS, with_both, tmp_path)


def test_the_blocks_with_datasets(encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    run([code for code in BLOCKS if "from datasets" in code], encoded, tmp_path)
