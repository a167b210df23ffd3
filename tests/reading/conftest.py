"""A data set with audio and tokens, for tests that read it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tiny_build import on_disk


@pytest.fixture(scope="session")
def mini_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random codec weights named mini, at the sample rate of the tiny recipe."""
    from tests.tiny_build import RATE
    from tests.tiny_codec import save_tiny

    return save_tiny(tmp_path_factory.mktemp("weights") / "mini.pth", sample_rate=RATE)


@pytest.fixture(scope="session")
def with_both(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set with features beside audio and tokens. Tests must not change it."""
    from rmod_pipeline.pipeline.configure import configure_features
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_on_audio
    from rmod_pipeline.pipeline.scheduler import BuildProgress

    out = Path(shutil.copytree(encoded, tmp_path_factory.mktemp("features") / "out"))
    run_on_audio(configure_features(out), local_executor(1), BuildProgress())
    return out


@pytest.fixture(scope="session")
def encoded(cache: Path, tiny_manifest: Path, mini_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of 10 + 2 pairs with audio and tokens, and an empty split. Tests must not change it."""
    from dataclasses import replace

    from rmod_pipeline.codec import CodecChoice
    from rmod_pipeline.pipeline.encoding import TokenSettings
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from rmod_pipeline.shards.token_family import TokenFamily
    from tests.tiny_build import make_job

    job = make_job(
        tiny_manifest, tmp_path_factory.mktemp("encoded") / "out", counts={"train": 10, "valid": 2, "test": 0}
    )
    choice = CodecChoice(name=str(mini_weights), device="cpu", batch=4)
    family = TokenFamily.of(job.recipe, choice.fingerprint(), job.digest)
    run_build(replace(job, encoding=TokenSettings(choice=choice, family=family)), local_executor(1), BuildProgress())
    return on_disk(job.out)
