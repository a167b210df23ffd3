"""The commands of a released data set build it again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmod_pipeline.cli import app
from rmod_pipeline.codec.settings import EncoderSettings, default_settings
from rmod_pipeline.releases.folder.rebuild import rebuild_commands
from rmod_pipeline.shards.token_family import family_names, read_family
from tests.tiny_build import RECIPE, reproducible_files


def test_a_default_that_has_changed_since_changes_no_tokens(
    tiny_only_tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options of the command decide every setting that may change tokens."""
    (command,) = rebuild_commands(tiny_only_tokens)
    words = shlex.split(command)
    device = words[words.index("--device") + 1]
    (name,) = family_names(tiny_only_tokens)
    stored = read_family(tiny_only_tokens, name).codec
    changed = EncoderSettings(precision="bf16", batch=7, compiled=True, channels_last=True)
    monkeypatch.setattr("rmod_pipeline.codec.settings.DEFAULTS", {device: changed})
    choices = {
        "precision": words[words.index("--precision") + 1],
        "batch": int(words[words.index("--batch") + 1]),
        "compiled": {"--compile": True, "--no-compile": False}.get(words[-2]),
        "channels_last": {"--channels-last": True, "--no-channels-last": False}.get(words[-1]),
    }
    fingerprint = default_settings(device).updated(choices).fingerprint()
    assert fingerprint.items() <= stored.items()


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
