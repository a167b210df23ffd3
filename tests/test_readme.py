"""What README.md prints can be run as it is printed."""

from __future__ import annotations

import re
import shlex
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


def _commands() -> list[list[str]]:
    """Return what the shell blocks tell `rmod` to do, word by word, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("rmod ")]


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words else ""


def test_the_commands_fit_together() -> None:
    """Who copies them in order has, for each, what those before it made."""
    splits, silent, codecs = dict[str, set[str]](), set[str](), dict[str, str]()
    models: dict[str, str] = {}
    known = set()
    for verb, *words in _commands():
        known.add(verb)
        if verb == "build" and not words[0].startswith("/"):
            out = _option(words, "--out")
            splits[out] = {part.partition("=")[0] for part in _option(words, "--pairs").split(",")}
            codecs[out] = _option(words, "--codec")
            silent |= {out} if "--no-audio" in words else set()
        elif verb == "encode":
            codecs[words[0]] = _option(words, "--codec")
        elif verb == "train":
            data = _option(words, "--data")
            assert {"train", "valid"} <= splits[data], words
            assert codecs[data], words
            models[_option(words, "--out")] = codecs[data]
        elif verb == "extract":
            assert _option(words, "--checkpoint") in models
        elif verb == "evaluate":
            data = _option(words, "--data")
            assert codecs[data] == models[words[0].partition("/")[0]], words
            assert "test" in splits[data], words
            assert data not in silent, words
    assert {"build", "encode", "train", "extract", "evaluate"} <= known
