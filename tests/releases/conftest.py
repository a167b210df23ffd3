"""Releases of a small data set in each format, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline import api
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.measuring import measure_facts

TITLE = "Tiny drums & <friends>"


@pytest.fixture(scope="session")
def tiny_facts(tiny_tokens: Path) -> ReleaseFacts:
    """The facts of the small data set with tokens."""
    return measure_facts(tiny_tokens)


def make_release(data: Path, to: Path, form: str, **options: object) -> Path:
    given = {
        "name": "tiny-drums",
        "title": TITLE,
        "owner": "someone",
        "creators": ["A. Person"],
        "date": "2026-11-28",
        "allow_licences": ["unknown"],
    }
    api.release(data, to=to, format=form, progress=False, **{**given, **options})  # type: ignore[arg-type]
    return to


@pytest.fixture(scope="session")
def on_hub(tmp_path_factory: pytest.TempPathFactory, tiny_tokens: Path) -> Path:
    """A release for Hugging Face. Not to be changed."""
    return make_release(tiny_tokens, tmp_path_factory.mktemp("hub") / "RELEASE", "huggingface")


@pytest.fixture(scope="session")
def on_kaggle(tmp_path_factory: pytest.TempPathFactory, tiny_tokens: Path) -> Path:
    """A release for Kaggle. Not to be changed."""
    return make_release(tiny_tokens, tmp_path_factory.mktemp("kaggle") / "RELEASE", "kaggle")
