"""A target that is in two splits is found by its sound, even if its file, name, group and checksum differ."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import soxr

from rmod_pipeline.inspection.leakage import find_leaked_targets
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.pairs import list_keys
from rmod_pipeline.recipe.load import parse_recipe
from tests.inspection.tampering import FIRST_KEY, edit_tar
from tests.tiny_build import RATE, RECIPE, make_job, make_library

# Without layering every target is a single sound of the library.
PLAIN = RECIPE.replace("max_seconds: 0.3", "max_seconds: 0.3, layering: {none: 1.0}")


def plant_copies(manifest: Path, change: Callable[[Any], Any], rate: int) -> None:
    """Replace every kick of valid by a changed copy of a kick of train; names and groups stay."""
    with manifest.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    row_by_id = {row["id"]: row for row in rows}
    for number in range(2):
        original, copy = row_by_id[f"kick/train-{number}"], row_by_id[f"kick/valid-{number}"]
        audio, _ = soundfile.read(manifest.parent / original["path"], dtype="float32")
        path = manifest.parent / copy["path"]
        soundfile.write(path, change(audio), rate, subtype="PCM_24")
        copy["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with manifest.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def build_plain(manifest: Path, out: Path) -> Path:
    run_build(make_job(manifest, out, recipe=parse_recipe(PLAIN)), local_executor(1), BuildProgress())
    return out


@pytest.mark.parametrize(
    ("change", "rate"),
    [
        (lambda audio: audio * 0.3, RATE),
        (lambda audio: -audio, RATE),
        (lambda audio: soxr.resample(audio, RATE, 48_000) * 0.9, 48_000),
    ],
    ids=["quieter", "inverted", "at another rate"],
)
def test_a_copy_in_another_split_is_found(
    tmp_path: Path, change: Callable[[Any], Any], rate: int, rmod: Callable[..., Any]
) -> None:
    manifest = make_library(tmp_path / "library")
    plant_copies(manifest, change, rate)
    out = build_plain(manifest, tmp_path / "out")
    findings = [str(finding) for finding in find_leaked_targets(out, list_keys(out))]
    assert findings
    assert all("their kick is the same sound" in finding and "valid-" in finding for finding in findings)
    assert rmod("verify", out, "--compare", 0).code == 0, "the index cannot reveal it"
    result = rmod("verify", out)
    assert result.code == 1
    assert findings[0] in result.out


def test_different_sounds_are_not_reported(tmp_path: Path, rmod: Callable[..., Any]) -> None:
    out = build_plain(make_library(tmp_path / "library"), tmp_path / "out")
    assert not list(find_leaked_targets(out, list_keys(out)))
    result = rmod("verify", out)
    assert result.code == 0
    assert "12 of 12 pairs' one-shots compared by sound: 0 in two splits" in result.out


def test_a_target_that_is_missing_is_not_compared(tmp_path: Path) -> None:
    """The checksums have shown it."""
    out = build_plain(make_library(tmp_path / "library"), tmp_path / "out")
    edit_tar(out, lambda content: content[FIRST_KEY].pop("kick.wav"))
    assert not list(find_leaked_targets(out, list_keys(out)))
