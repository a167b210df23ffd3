"""Build the small data set on an object store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import BuildSummary, run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.storage import Location, StorePath, parse_location
from tests.tiny_build import make_job

BUILD_OPTIONS = ["--pairs", "train=10,valid=2", "--shard-size", 3]


def build(manifest: Path, out: Location, **changes: Any) -> BuildSummary:
    """Build the small data set at a location with one worker, with changed fields of the job."""
    job = replace(make_job(manifest, Path()), out=out, **changes)
    return run_build(job, local_executor(1), BuildProgress())


def data_path(bucket: Any) -> StorePath:
    """Return the address of the data set in a bucket."""
    path = parse_location(f"{bucket}/data")
    assert isinstance(path, StorePath)
    return path
