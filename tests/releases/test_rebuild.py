"""The commands of a released data set build it again."""

from __future__ import annotations

import shlex
from pathlib import Path

from typer.testing import CliRunner

from rmod_pipeline.cli import app
from rmod_pipeline.releases.folder.rebuild import rebuild_commands
from tests.tiny_build import RECIPE, reproducible_files


def test_tokens_without_audio_are_built_again_in_one_command(
    tiny_only_tokens: Path, tiny_manifest: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    (command,) = rebuild_commands(tiny_only_tokens)
    assert " --no-audio --codec WEIGHTS.pth " in command
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    names = {
        "LIBRARY.csv": tiny_manifest,
        "OUT": tmp_path / "out",
        "recipe.yaml": tmp_path / "recipe.yaml",
        "WEIGHTS.pth": tiny_weights,
    }
    result = CliRunner().invoke(app, [str(names.get(word, word)) for word in shlex.split(command)][1:])
    assert result.exit_code == 0, result.output
    made, released = reproducible_files(tmp_path / "out"), reproducible_files(tiny_only_tokens)
    assert made["build.json"] == released["build.json"]
    assert made.keys() == released.keys()
