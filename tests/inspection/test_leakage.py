"""A target of one split heard in another is found by its sound, whatever its file, name, group and checksum."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import soxr

from rmod_pipeline.inspection.leakage import near_duplicates
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.pairs import list_keys
from rmod_pipeline.recipe.load import parse_recipe
from tests.tiny_build import RATE, RECIPE, make_job, make_library

# One-shots alone, each its own target: what the valid split holds is then what its sounds are.
PLAIN = RECIPE.replace("max_seconds: 0.3", "max_seconds: 0.3, layering: {none: 1.0}")


def plant(manifest: Path, change: Callable[[Any], Any], rate: int) -> None:
    """Let every kick of valid be a changed copy of a kick of train, under its own name and group."""
    with manifest.open() as file:
        rows = list(csv.DictReader(file))
    of = {row["id"]: row for row in rows}
    for number in range(2):
        original, copy = of[f"kick/train-{number}"], of[f"kick/valid-{number}"]
        audio, _ = soundfile.read(manifest.parent / original["path"], dtype="float32")
        path = manifest.parent / copy["path"]
        soundfile.write(path, change(audio), rate, subtype="PCM_24")
        copy["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def built(manifest: Path, out: Path) -> Path:
    run_build(make_job(manifest, out, recipe=parse_recipe(PLAIN)), local_executor(1), BuildProgress())
    return out


@pytest.mark.parametrize(
    ("change", "rate"),
    [
        (lambda audio: audio * 0.3, RATE),
        (lambda audio: -audio, RATE),
        (lambda audio: soxr.resample(audio, RATE, 48_000) * 0.9, 48_000),
    ],
    ids=["quieter", "turned over", "at another rate"],
)
def test_a_copy_in_another_split_is_heard(
    tmp_path: Path, change: Callable[[Any], Any], rate: int, rmod: Callable[..., Any]
) -> None:
    manifest = make_library(tmp_path / "library")
    plant(manifest, change, rate)
    out = built(manifest, tmp_path / "out")
    found = [str(finding) for finding in near_duplicates(out, list_keys(out))]
    assert found
    assert all("their kick is the same sound" in finding and "valid-" in finding for finding in found)
    assert rmod("verify", out, "--compare", 0).code == 0, "the index cannot know"
    said = rmod("verify", out)
    assert said.code == 1
    assert found[0] in said.out


def test_what_is_not_copied_is_not_heard(tmp_path: Path, rmod: Callable[..., Any]) -> None:
    out = built(make_library(tmp_path / "library"), tmp_path / "out")
    assert not list(near_duplicates(out, list_keys(out)))
    said = rmod("verify", out)
    assert said.code == 0
    assert "12 of 12 pairs' one-shots compared by sound: 0 in two splits" in said.out
