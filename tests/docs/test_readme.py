"""What README.md and CONTRIBUTING.md print can be run as it is printed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.docs.markdown import ROOT, blocks_of
from tests.tiny_dose import RATE

README = ROOT / "README.md"


def test_the_lines_of_python(by_heart: Any, cache: Path, tmp_path: Path) -> None:
    (block,) = (block for block in blocks_of(README) if block.language == "python")
    soundfile.write(tmp_path / "song.mp3", by_heart.song, RATE)
    shutil.copytree(by_heart.folder, tmp_path / "models")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RMOD_CACHE": str(cache)}
    code = block.code.replace('checkpoint="models"', f'checkpoint="models", codec={str(by_heart.weights)!r}')
    command = [sys.executable, "-c", code + "print(kick.dtype)"]
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == [*(f"train-{index:08d}" for index in range(8)), "float32"]
    assert all("(2, 176400)" in line for line in lines[:-1])


def _commands() -> list[list[str]]:
    """Return the commands of the shell blocks, word by word, in order."""
    shell = "".join(block.code for block in blocks_of(README) if block.language == "sh")
    lines = shell.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("rmod ")]


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1] if name in words else ""


def test_the_commands_fit_together() -> None:
    """A reader who copies them in order has, for each, the files that it needs."""
    splits, codecs, models = dict[str, set[str]](), dict[str, str](), dict[str, str]()
    silent, libraries, used = set[str](), set[str](), set[str]()
    for verb, *words in _commands():
        used.add(verb)
        if verb == "library":
            libraries.add(_option(words, "--out"))
        elif verb == "build":
            out = _option(words, "--out")
            assert _option(words, "--library") in libraries, words
            splits[out] = {part.partition("=")[0] for part in _option(words, "--pairs").split(",")}
            codecs[out] = _option(words, "--codec")
            silent |= {out} if "--no-audio" in words else set()
        elif verb in ("preview", "verify", "report", "release"):
            assert words[0] in splits
        elif verb == "train":
            data = _option(words, "--data")
            assert {"train", "valid"} <= splits[data], words
            assert codecs[data], words
            models[_option(words, "--out")] = codecs[data]
        elif verb == "extract" and "--checkpoint" in words:
            assert _option(words, "--checkpoint") in models
        elif verb == "evaluate":
            data = _option(words, "--data")
            assert codecs[data] == models[words[0].partition("/")[0]], words
            assert "test" in splits[data], words
            assert data not in silent, words
    assert {"library", "build", "verify", "train", "extract", "evaluate", "report", "release"} <= used


def test_the_effect_of_the_contributing_page_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is printed: it keeps shape and silence, and rounds to the steps that it says."""
    code = next(block.code for block in blocks_of(ROOT / "CONTRIBUTING.md") if "EFFECT = " in block.code)
    module: Any = ModuleType("rmod_pipeline.effects.bitcrush")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(code, "bitcrush.py", "exec", dont_inherit=True), vars(module))
    apply, effect = module.EFFECT.apply_with("pedalboard"), module.Bitcrush(bits=3.0)
    audio = np.linspace(-1, 1, 64, dtype=np.float32).reshape(2, 32)
    crushed = apply(audio, effect, 44_100)
    assert (crushed.shape, crushed.dtype) == (audio.shape, np.float32)
    assert set(np.unique(crushed * 4)) <= set(range(-4, 5))
    assert not apply(np.zeros_like(audio), effect, 44_100).any()
