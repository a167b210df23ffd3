"""What README.md prints can be run as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_lines_that_read_a_shard(tiny_built: Path, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "OUT").symlink_to(tiny_built)
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    keys = [line.split()[0] for line in run.stdout.splitlines()]
    assert keys[0] == "train-00000000"
    assert all(re.fullmatch(r"train-\d{8} \d+ -\d+\.\d+", line) for line in run.stdout.splitlines())
