"""A download of a release passes its checks, with what the site adds and without what it keeps to itself."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import rmod_pipeline as rmod
from rmod_pipeline.releases.folder.checksums import SITE_FILES
from rmod_pipeline.releases.sites.kaggle import COVER, METADATA


def findings_of(folder: Path) -> list[str]:
    return [str(finding) for finding in rmod.verify_release(folder, progress=False).findings]


def assert_sha256sum_agrees(folder: Path) -> None:
    words = ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"]
    result = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture
def from_hub(on_hub: Path, tmp_path: Path) -> Path:
    """What `hf download --local-dir` or `git clone` leave."""
    folder = Path(shutil.copytree(on_hub, tmp_path / "download"))
    for path in (".gitattributes", ".cache/huggingface/download/README.md.metadata", ".git/HEAD"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("of the site\n")
    return folder


def test_a_download_from_the_hub_is_whole(from_hub: Path) -> None:
    assert findings_of(from_hub) == []
    assert_sha256sum_agrees(from_hub)


def test_a_download_from_kaggle_is_whole(on_kaggle: Path, tmp_path: Path) -> None:
    assert {COVER, METADATA} < SITE_FILES
    assert findings_of(on_kaggle) == []
    folder = Path(shutil.copytree(on_kaggle, tmp_path / "download"))
    (folder / COVER).unlink()
    (folder / METADATA).unlink()
    assert findings_of(folder) == []
    assert_sha256sum_agrees(folder)


@pytest.mark.parametrize("paper", ["LICENSES/", "CITATION.cff", "CHANGELOG.md"])
def test_a_paper_that_the_checksums_lack_too_is_missed(paper: str, on_hub: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(on_hub, tmp_path / "copied"))
    shutil.rmtree(folder / paper) if paper.endswith("/") else (folder / paper).unlink()
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    (folder / "SHA256SUMS").write_text("".join(line for line in lines if f"  {paper}" not in line))
    assert [text.partition(": ")[:2] for text in findings_of(folder)] == [(paper, ": ")]


@pytest.mark.parametrize("path", [".cache/other", "audio/.gitattributes", "more/.git/HEAD", ".gitignore", "new.json"])
def test_any_other_file_is_found(path: str, from_hub: Path) -> None:
    (from_hub / path).parent.mkdir(parents=True, exist_ok=True)
    (from_hub / path).write_text("x")
    assert findings_of(from_hub) == [f"{path}: is not in SHA256SUMS"]


def test_any_other_missing_file_is_found(from_hub: Path) -> None:
    (from_hub / "croissant.json").unlink()
    assert findings_of(from_hub) == ["croissant.json: missing"]
