"""The folder for Kaggle keeps every documented limit of the site, and its notebook runs."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from PIL import Image

from docs.notebook import run_cell
from rmod_pipeline.errors import UsageError
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import PlannedFile, ReleaseRequest
from rmod_pipeline.releases.sites.kaggle import COVER, METADATA, Kaggle, describe_for_kaggle
from rmod_pipeline.releases.sites.limits import (
    KAGGLE_BYTES,
    KAGGLE_KEYWORDS,
    KAGGLE_LICENCES,
    KAGGLE_OTHER,
)
from rmod_pipeline.releases.sites.notebook import NOTEBOOK, make_notebook
from tests.releases.conftest import TITLE, make_release


def test_the_metadata_keep_every_limit(on_kaggle: Path) -> None:
    content = json.loads((on_kaggle / METADATA).read_text())
    assert 6 <= len(content["title"]) <= 50
    assert 20 <= len(content["subtitle"]) <= 80
    owner, slug = content["id"].split("/")
    assert owner == "someone"
    assert 3 <= len(slug) <= 50
    assert len(content["licenses"]) == 1
    assert content["licenses"][0]["name"] in {*KAGGLE_LICENCES.values(), KAGGLE_OTHER}
    assert set(content["keywords"]) <= set(KAGGLE_KEYWORDS)
    assert all((on_kaggle / resource["path"]).is_file() for resource in content["resources"])
    assert content["title"] == TITLE
    assert "![" not in content["description"]
    assert len(list(on_kaggle.iterdir())) <= 50


def test_the_cover_is_large_enough(on_kaggle: Path) -> None:
    with Image.open(on_kaggle / COVER) as cover:
        assert cover.size >= (560, 280)
        assert cover.size[0] == 2 * cover.size[1]
        assert len(cover.convert("RGB").getcolors(100_000) or []) > 10


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"title": "short"}, "--title"),
        ({"title": "x" * 51}, "--title"),
        ({"subtitle": "too short a subtitle"[:19]}, "--subtitle"),
        ({"subtitle": "x" * 81}, "--subtitle"),
        ({"name": "ab"}, "--name"),
        ({"name": "a" * 51}, "--name"),
        ({"name": "Upper-Case"}, "--name"),
        ({"owner": ""}, "--owner"),
        ({"owner": "some/one"}, "--owner"),
        ({"keywords": ("drum",)}, "--keyword"),
        ({"files": (PlannedFile(path="audio/train-000000.tar", bytes=KAGGLE_BYTES + 1),)}, "out"),
        ({"files": tuple(PlannedFile(path=f"{number}.tar", bytes=1) for number in range(40))}, "out"),
    ],
)
def test_what_kaggle_refuses_is_refused(
    changes: dict[str, Any], about: str, tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts
) -> None:
    Kaggle().check(tiny_request, tiny_facts)
    with pytest.raises(UsageError) as error:
        Kaggle().check(replace(tiny_request, **changes), tiny_facts)
    assert about in error.value.about


@pytest.mark.parametrize("title", ["x" * 6, "x" * 50])
def test_the_limits_themselves_are_allowed(title: str, tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts) -> None:
    Kaggle().check(replace(tiny_request, title=title), tiny_facts)


@pytest.mark.parametrize(
    ("expression", "name"),
    [("CC0-1.0", "CC0-1.0"), ("CC-BY-4.0", "CC-BY-4.0"), ("CC-BY-4.0 AND CC0-1.0", "other"), ("MIT", "other")],
)
def test_the_licence_is_of_its_list(
    expression: str, name: str, on_kaggle: Path, tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts
) -> None:
    request = replace(tiny_request, licensing=replace(tiny_request.licensing, expression=expression))
    assert describe_for_kaggle(on_kaggle, request, tiny_facts)["licenses"] == [{"name": name}]


def run_notebook(path: Path, seconds: float) -> str:
    """Run the code cells of a notebook and return what they print."""
    notebook = nbformat.read(path, as_version=4)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    code = [cell["source"] for cell in notebook.cells if cell["cell_type"] == "code"]
    assert sum("TRAIN_SECONDS = 60" in source for source in code) == 1
    return "".join(
        run_cell(source.replace("TRAIN_SECONDS = 60", f"TRAIN_SECONDS = {seconds}"), namespace) for source in code
    )


@pytest.fixture(params=["tars", "loose", "tokens"])
def notebook_folder(
    request: pytest.FixtureRequest, on_kaggle: Path, tiny_tokens: Path, tiny_only_tokens: Path, tmp_path: Path
) -> Path:
    if request.param == "tars":
        return on_kaggle
    data = tiny_tokens if request.param == "loose" else tiny_only_tokens
    return make_release(data, tmp_path / "to", "kaggle", loose=request.param == "loose")


def test_the_notebook_runs(notebook_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    nbformat.validate(json.loads((notebook_folder / NOTEBOOK).read_text()))
    monkeypatch.chdir(notebook_folder)
    printed = run_notebook(notebook_folder / NOTEBOOK, 0.5)
    assert "held-out error: mean of the training pairs" in printed
    assert "kick" in printed


def test_a_title_begins_no_cell(tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts) -> None:
    plain = make_notebook(tiny_request, tiny_facts)
    odd = make_notebook(replace(tiny_request, title="# %% @SLUG@ ''' \\ <b>"), tiny_facts)
    assert [cell["cell_type"] for cell in odd["cells"]] == [cell["cell_type"] for cell in plain["cells"]]
    assert odd["cells"][1:] == plain["cells"][1:]
    nbformat.read(io.StringIO(json.dumps(odd)), as_version=4)
