"""`rmod preview` of a data set and of a recipe, and its error messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rmod_pipeline.cli import app
from rmod_pipeline.errors import RmodError


def rmod(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("build") / "demo"
    arguments = ("--library", "builtin", "--pairs", "train=5,valid=1", "--shard-size", "2")
    result = rmod("build", "quick", *arguments, "--out", str(out))
    assert result.exit_code == 0, result.output
    return out


@pytest.mark.slow
def test_pairs_of_a_data_set_stand_on_a_page_beside_it(data_set: Path) -> None:
    before = sorted(data_set.rglob("*"))
    result = rmod("preview", str(data_set), "--pairs", "2")
    page = data_set.parent / "demo-preview.html"
    assert result.exit_code == 0, result.output
    assert str(page) in result.output
    html = page.read_text(encoding="utf-8")
    assert html.count("<article") == 2
    assert 'id="train-00000000"' in html
    assert 'id="train-00000002"' in html
    assert "2 of 5 train pairs" in html
    assert sorted(data_set.rglob("*")) == before


@pytest.mark.slow
def test_a_recipe_is_previewed_as_it_would_be_built(
    data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = rmod("preview", "quick", "--library", "builtin", "--pairs", "1")
    assert result.exit_code == 0, result.output
    fresh = Path("quick-preview.html").read_text(encoding="utf-8")
    rmod("preview", str(data_set), "--pairs", "1", "--page", "built.html")
    built = Path("built.html").read_text(encoding="utf-8")
    assert "Stems" in fresh
    assert "Stems" not in built
    assert _picture(fresh) == _picture(built)


def _picture(html: str) -> str:
    return html.partition('src="data:image/png;base64,')[2].partition('"')[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (("--split", "vali"), "did you mean 'valid'"),
        (("--library", "builtin"), "is a data set"),
        (("--page", "file/page.html"), "cannot be written"),
    ],
)
def test_mistakes_with_a_data_set(
    data_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], found: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    result = rmod("preview", str(data_set), "--pairs", "1", *arguments)
    assert isinstance(result.exception, RmodError)
    assert found in str(result.exception)


def test_a_mistyped_recipe_gets_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = rmod("preview", "quik")
    assert isinstance(result.exception, RmodError)
    assert "did you mean 'quick'" in str(result.exception)


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    result = rmod("preview", str(tmp_path))
    assert isinstance(result.exception, RmodError)
    assert "no finished shards" in str(result.exception)
