"""One rule per kind of value, wherever a user can give it: names beside paths, seeds, licences, cores."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmod_pipeline as rmod
from rmod_pipeline.codec.catalogue import KNOWN, find_weights, is_weights_path
from rmod_pipeline.dose.recipe import load_dose_recipe
from rmod_pipeline.errors import MAX_SEED, ManifestError, RecipeError, RmodError, UsageError, check_seed
from rmod_pipeline.extraction.results import ExtractionConfig
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.configure import codec_choice
from rmod_pipeline.recipe import recipe_names, resolve_recipe
from rmod_pipeline.recipe.find import find_recipe
from rmod_pipeline.storage.folders import shipped_folder
from tests.tiny_build import RECIPE

FOLDERS_OF_RECIPES = ("", "codec", "dose", "ear")


@pytest.fixture(params=["folders", "files", "links that lead nowhere"])
def namesakes(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which something else has each name that rmod knows."""
    monkeypatch.chdir(tmp_path)
    for name in {*(name for folder in FOLDERS_OF_RECIPES for name in recipe_names(folder)), *KNOWN, "builtin"}:
        path = tmp_path / name
        if request.param == "folders":
            path.mkdir()
        elif request.param == "files":
            path.write_text("not a recipe, not weights: {")
        else:
            path.symlink_to(tmp_path / "nowhere")
    return tmp_path


def test_a_name_that_rmod_knows_is_that_name_whatever_lies_beside_it(namesakes: Path) -> None:
    for folder in FOLDERS_OF_RECIPES:
        for name in recipe_names(folder):
            assert find_recipe(name, folder) == shipped_folder("recipes") / folder / f"{name}.yaml"
    assert load_dose_recipe("tiny").name == "tiny"
    assert find_weights("mini")[1] == KNOWN["mini"].path
    assert codec_choice("mini").name == "mini"
    assert not is_weights_path("mini")


def test_extends_follows_the_rule(namesakes: Path) -> None:
    (namesakes / "mine.yaml").write_text("name: mine\nextends: rmod\nloops: {}\n")
    assert not resolve_recipe(namesakes / "mine.yaml").loops
    assert not resolve_recipe({"name": "mine", "extends": "rmod", "loops": {}}).loops
    assert resolve_recipe("rmod_varied").name == "rmod_varied"


def test_a_path_is_a_path_with_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").write_text(RECIPE)
    assert resolve_recipe("./quick").name == "tiny"
    assert resolve_recipe("quick").name == "quick"
    (tmp_path / "quick.yaml").write_text(RECIPE)
    assert resolve_recipe("quick.yaml").name == "tiny", "a file of the full name is the user's own"
    (tmp_path / "rmod").mkdir()
    with pytest.raises(RecipeError, match="is a folder"):
        resolve_recipe("./rmod")


@given(st.integers(min_value=0, max_value=MAX_SEED))
def test_every_whole_number_from_zero_on_is_a_seed(seed: int) -> None:
    assert check_seed(seed) == seed
    assert ExtractionConfig(seed=seed).seed == seed


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1, 1.0, "1", True, None])
def test_anything_else_is_no_seed_anywhere(seed: Any, tiny_manifest: Path, tmp_path: Path) -> None:
    recipe = resolve_recipe("rmod_drums_only")
    places: list[Callable[[], object]] = [
        lambda: rmod.build(recipe, library=tiny_manifest, out=tmp_path / "out", pairs="train=1", seed=seed),
        lambda: rmod.preview(recipe, library=tiny_manifest, pairs=1, seed=seed, page=tmp_path / "page.html"),
        lambda: ExtractionConfig(seed=seed),
    ]
    for give in places:
        with pytest.raises(UsageError, match="seed"):
            give()
    assert not list(tmp_path.iterdir())


def test_recipes_hold_the_same_seeds(tmp_path: Path) -> None:
    tiny = (shipped_folder("recipes") / "dose" / "tiny.yaml").read_text()
    for seed, is_allowed in ((0, True), (MAX_SEED, True), (-1, False), (MAX_SEED + 1, False)):
        path = tmp_path / f"{seed}.yaml"
        path.write_text(tiny.replace("\nseed: 0\n", f"\nseed: {seed}\n"))
        if is_allowed:
            assert load_dose_recipe(str(path)).seed == seed
        else:
            with pytest.raises(RecipeError, match="seed"):
                load_dose_recipe(str(path))


@pytest.mark.parametrize("licence", ["CC BY 4.0", "free!", "see readme", "CC0-1.0 MIT", "MIT OR"])
def test_a_licence_that_is_not_spdx_is_refused_by_flag_labels_and_manifest(
    licence: str, tiny_manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="SPDX"):
        parse_licence(licence)
    folder = tiny_manifest.parent
    with pytest.raises(UsageError, match="SPDX"):
        rmod.scan(folder, out=tmp_path / "m.csv", licence=licence, progress=False)
    labels = folder.parent / "labels.csv"
    first = load_library(tiny_manifest).assets[0]
    path = f"{folder.name}/{first.path}"
    labels.write_text(f"path,kind,kit,licence,source\n{path},kick,A,{licence},x\n")
    with pytest.raises(ManifestError, match=r"line 2, column licence.*SPDX"):
        rmod.scan(folder, out=tmp_path / "m.csv", labels=labels, progress=False)
    manifest = tmp_path / "library.csv"
    text = tiny_manifest.read_text(encoding="utf-8").replace(f",{first.licence},", f",{licence},", 1)
    manifest.write_text(text)
    with pytest.raises(ManifestError, match=r"column licence.*SPDX"):
        load_library(manifest)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_workers_follow_the_cores_that_the_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from rmod_pipeline.storage.process_identity import available_cores; print(available_cores())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["1"]


def test_no_module_counts_the_cores_of_the_machine() -> None:
    package = Path(rmod.__file__).parent
    assert not [path.name for path in package.rglob("*.py") if "os.cpu_count" in path.read_text()]


def test_errors_are_errors_of_rmod() -> None:
    assert issubclass(UsageError, RmodError)
