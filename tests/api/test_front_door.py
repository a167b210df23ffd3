"""The Python API: light to import, documented, and one function beside each command."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import rmod_pipeline as rmod
from rmod_pipeline import api
from rmod_pipeline.cli import app
from tests.tiny_build import PATIENCE_SECONDS, RECIPE

FUNCTIONS = [name for name in api.__all__ if inspect.isfunction(getattr(api, name))]

BESIDE = {
    "show": "open_dataset",
    "render": "rerender",
    "features": "compute_features",
    "library scan": "scan",
    "library check": "check_library",
    "library organise": "organise",
    "patterns scan": "scan_grooves",
    "patterns check": "check_grooves",
    "recipe show": "load_recipe",
    "recipe check": "load_recipe",
    "recipe schema": "recipe_schema",
    "library near": "find_similar",
    "library map": "map_library",
    "classify list": "classify",
    "classify compare": "compare_classifiers",
    "classify train": "train_classifier",
    "library harvest": "harvest",
    "kit make": "make_kit",
    "kit play": "play_kit",
    "codec list": "list_codecs",
    "codec fetch": "fetch_codec",
    "codec show": "open_codec",
    "codec train": "train_codec",
    "dose import": "import_checkpoint",
    "release make": "release",
    "release verify": "verify_release",
}
"""Commands whose function has another name."""


def commands() -> list[str]:
    names = [str(command.callback.__name__) for command in app.registered_commands if command.callback]
    for group in app.registered_groups:
        for command in group.typer_instance.registered_commands:  # type: ignore[union-attr]
            callback = command.callback.__name__ if command.callback else ""
            names.append(f"{group.name} {command.name or callback}")
    return names


@pytest.mark.parametrize("command", commands())
def test_every_command_has_a_function_beside_it(command: str) -> None:
    assert BESIDE.get(command, command) in FUNCTIONS


@pytest.mark.parametrize("name", api.__all__)
def test_every_public_name_is_at_the_top_and_documented(name: str) -> None:
    assert getattr(rmod, name) is getattr(api, name)
    text = inspect.getdoc(getattr(api, name)) or ""
    assert text and text[0].isupper() and "." in text
    assert name in dir(rmod)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_typed(name: str) -> None:
    signature = inspect.signature(getattr(api, name))
    assert signature.return_annotation is not inspect.Parameter.empty
    assert all(each.annotation is not inspect.Parameter.empty for each in signature.parameters.values())


def test_importing_rmod_loads_nothing_heavy() -> None:
    heavy = ("torch", "ray", "librosa", "numba", "pedalboard", "lightning", "webdataset", "rich", "typer")
    code = f"import sys, rmod_pipeline; rmod_pipeline.build; print([x for x in {heavy!r} if x in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


SCRIPT = """
import rmod_pipeline as rmod

data = rmod.build({recipe!r}, library={library!r}, out="out", pairs={{"train": 3}}, shard_size=1,
                  compute=rmod.ComputeConfig(workers=2), progress=False)
print(data.summary.pairs, [pair.key for pair in data.pairs("train")])
"""


@pytest.mark.slow
@pytest.mark.parametrize("piped", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_script_without_a_main_guard_runs_once(piped: bool, tiny_manifest: Path, tmp_path: Path) -> None:
    """Workers are spawned, and must not run the script again."""
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    code = SCRIPT.format(recipe="tiny.yaml", library=str(tiny_manifest))
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, "-"] if piped else [sys.executable, "script.py"]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        input=code if piped else None,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["{'train': 3} ['train-00000000', 'train-00000001', 'train-00000002']"]
