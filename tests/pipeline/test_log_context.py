"""Every line of a worker's log names the shard and the pair in progress."""

from __future__ import annotations

import logging
from io import StringIO
from pathlib import Path

import pytest

from rmod_pipeline.errors import AssetError
from rmod_pipeline.pipeline.jobs.context import WorkerContext
from rmod_pipeline.pipeline.log_context import (
    LINE,
    CurrentPairFilter,
    current_pair,
    set_current_pair,
    shard_log_context,
)
from rmod_pipeline.pipeline.results import ShardFailure
from rmod_pipeline.pipeline.run import open_folder
from rmod_pipeline.pipeline.worker import run_shard
from rmod_pipeline.render import Sounds
from rmod_pipeline.render import pair as pair_rendering
from rmod_pipeline.shards.layout import plan_shards
from rmod_pipeline.spec import PairSpec
from tests.tiny_build import make_job


def test_lines_end_with_the_shard_and_the_pair_in_progress() -> None:
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(CurrentPairFilter())
    handler.setFormatter(logging.Formatter(LINE))
    logger = logging.getLogger("rmod_pipeline.pipeline.test_log_context")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.warning("before")
        with shard_log_context("train-000001"):
            logger.warning("no pair yet")
            set_current_pair("train-00000012")
            assert current_pair() == "train-00000012"
            logger.warning("a peak of 2")
        logger.warning("after")
    finally:
        logger.removeHandler(handler)
    assert current_pair() == ""
    assert stream.getvalue().splitlines() == [
        "WARNING: before",
        "WARNING: no pair yet [train-000001]",
        "WARNING: a peak of 2 [train-000001 train-00000012]",
        "WARNING: after",
    ]


def test_a_failure_names_the_pair_that_caused_it(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(tiny_manifest, tmp_path / "out")
    open_folder(job)
    prepare = pair_rendering._prepare

    def fail_at_the_second(spec: PairSpec, sounds: Sounds) -> object:
        if spec.address.index == 1:
            raise AssetError("kick.wav", "cannot be read", "give another file")
        return prepare(spec, sounds)

    monkeypatch.setattr(pair_rendering, "_prepare", fail_at_the_second)
    plan = plan_shards(job.counts, job.shard_size)[0]
    result = run_shard(plan, WorkerContext(job), job.layout, lambda _count: None)
    assert isinstance(result, ShardFailure)
    assert result.key == "train-00000001"
