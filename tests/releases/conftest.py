"""Releases of a small data set in each format, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmod_pipeline import api
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import PlannedFile, ReleaseRequest
from rmod_pipeline.releases.licensing import AttributedSound, Licensing
from rmod_pipeline.releases.measuring import measure_facts
from tests.tiny_build import make_job
from tests.tiny_codec import with_tokens

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


@pytest.fixture(scope="session")
def tiny_request(tiny_tokens: Path, tiny_facts: ReleaseFacts) -> ReleaseRequest:
    """A request that every site takes."""
    sounds = tuple(
        AttributedSound(
            file=sound.file,
            kind=sound.kind,
            creator="",
            source=sound.source,
            licence=sound.licence,
            sha256=sound.sha256,
        )
        for sound in tiny_facts.sounds
    )
    return ReleaseRequest(
        out=tiny_tokens,
        to=tiny_tokens.with_name("to"),
        format="kaggle",
        name="tiny-drums",
        title=TITLE,
        subtitle="Mixtures and the one-shots in them",
        version="1.0.0+12345678",
        owner="someone",
        creators=("A. Person",),
        keywords=("audio",),
        loose=False,
        key=None,
        template=None,
        licensing=Licensing(sounds=sounds, expression="CC0-1.0", allowed=(), licence_class=LicenceClass.ANY),
        pairs=None,
        files=(PlannedFile(path="audio/train-000000.tar", bytes=1),),
    )


@pytest.fixture(scope="session")
def tiny_only_tokens(
    tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path, tiny_weights: Path
) -> Path:
    """The small data set with tokens and without audio. Not to be changed."""
    out = tmp_path_factory.mktemp("tiny-only-tokens") / "out"
    job = make_job(tiny_manifest, out, audio=False)
    run_build(with_tokens(job, tiny_weights), local_executor(1), BuildProgress())
    return out
