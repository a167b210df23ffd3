"""`rmod verify` finds every kind of damage to features, and computes them again on request."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.inspection.findings import VerifyReport, read_expected_content
from rmod_pipeline.inspection.reproduction import ReproductionCheck
from rmod_pipeline.inspection.verify_features import FeatureCheck
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import FileRecord
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.windows.arrays import encode_array
from rmod_pipeline.shards.windows.feature_family import feature_names
from tests.inspection.tampering import FIRST_KEY, SHARD, edit_json, flip_bit
from tests.tiny_build import on_disk

Pairs = list[tuple[str, dict[str, bytes]]]


@pytest.fixture
def out(tiny_features: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_features, tmp_path / "out"))


def family_of(out: Path) -> str:
    return f"features/{feature_names(out)[0]}"


def tar_of(out: Path) -> Path:
    return on_disk(Layout(out).tar(SHARD, family_of(out)))


def receipt_of(out: Path) -> Path:
    return on_disk(Layout(out).receipt(SHARD, family_of(out)))


def description_of(out: Path) -> Path:
    return on_disk(Layout(out).features(family_of(out)))


def rewrite(out: Path, change: Callable[[Pairs], Pairs]) -> None:
    """Rewrite the tar of the shard with changed pairs, and forge its receipt to fit."""
    tar = tar_of(out)
    pairs = change(list(read_tar(tar)))
    with TarWriter(tar) as writer:
        for key, members in pairs:
            writer.add(key, members)
    record = FileRecord.of(tar, Layout(out).relative(tar))
    files = [{"path": record.path, "bytes": record.bytes, "sha256": record.sha256}]
    edit_json(receipt_of(out), lambda content: content.update(files=files))


def forge(out: Path, name: str, data: bytes) -> None:
    rewrite(out, lambda pairs: [(key, {**members, name: data}) for key, members in pairs])


def forge_json(out: Path, change: Callable[[dict[str, Any]], object]) -> None:
    def changed(members: dict[str, bytes]) -> dict[str, bytes]:
        content = json.loads(members["json"])
        change(content)
        return {**members, "json": json.dumps(content).encode()}

    rewrite(out, lambda pairs: [(key, changed(members)) for key, members in pairs])


def levels(frames: int) -> bytes:
    return encode_array(np.zeros((2, 64, frames), np.uint8))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte": (lambda out: flip_bit(tar_of(out), 700), "its checksum differs from that in its receipt"),
    "a missing tar": (lambda out: tar_of(out).unlink(), "missing"),
    "a missing receipt": (lambda out: receipt_of(out).unlink(), "1 of 5 shards have no features yet"),
    "another window": (lambda out: forge(out, "kick.npy", levels(40)), "kick is [2, 64, 40]"),
    "an extra file": (lambda out: forge(out, "tom.npy", levels(90)), "holds mix.npy"),
    "a file that is not an array": (lambda out: forge(out, "kick.npy", b"hello"), "not features"),
    "another scale": (
        lambda out: forge_json(out, lambda content: content["features"].update(step_db=1.0)),
        "its JSON disagrees",
    ),
    "a true length beyond the window": (
        lambda out: forge_json(out, lambda content: content["features"]["frames"].update(kick=91)),
        "its JSON disagrees",
    ),
    "the JSON of another pair": (
        lambda out: forge_json(out, lambda content: content["spec"]["address"].update(index=99)),
        "its JSON disagrees",
    ),
    "pairs in another order": (
        lambda out: rewrite(out, lambda pairs: pairs[::-1]),
        "its keys are not those of the index",
    ),
    "a receipt of other features": (
        lambda out: edit_json(receipt_of(out), lambda content: content.update(fingerprint="0" * 64)),
        "belongs to another features.json",
    ),
    "a features.json of another data set": (
        lambda out: edit_json(description_of(out), lambda content: content.update(build="0" * 64)),
        "belong to another build.json",
    ),
    "a features.json with another window": (
        lambda out: edit_json(description_of(out), lambda content: content["windows"].update(kick=40)),
        "those of the recipe are",
    ),
    "an empty features.json": (
        lambda out: description_of(out).write_text("{}"),
        "not the description of features",
    ),
    "a folder without features.json": (lambda out: description_of(out).unlink(), "has no features.json"),
    "a folder that was renamed": (
        lambda out: (out / family_of(out)).rename(out / "features" / "mel-00000000"),
        "but its folder is mel-00000000",
    ),
}


def test_intact_features_have_no_findings(tiny_features: Path, rmod: Callable[..., Any]) -> None:
    result = rmod("verify", tiny_features, "--rerender", 2)
    assert result.code == 0, result
    assert f"12 pairs as features {feature_names(tiny_features)[0]}" in result.out


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(damage: str, out: Path) -> None:
    apply_damage, message = DAMAGES[damage]
    apply_damage(out)
    report = VerifyReport()
    FeatureCheck(out, read_expected_content(out), report).run()
    assert message in " ".join(map(str, report.findings))


def test_forged_levels_are_found_when_they_are_computed_again(out: Path, rmod: Callable[..., Any]) -> None:
    assert ReproductionCheck(out).check(FIRST_KEY) == []
    forge(out, "kick.npy", levels(90))
    assert rmod("verify", out).code == 0
    (finding,) = ReproductionCheck(out).check(FIRST_KEY)
    assert finding.about == f"{family_of(out)}/{FIRST_KEY}.kick.npy"
    assert rmod("verify", out, "--rerender", 12).code == 1


def test_without_audio_features_are_rendered_and_computed_again(tiny_manifest: Path, tmp_path: Path) -> None:
    from rmod_pipeline.pipeline.configure import add_features
    from rmod_pipeline.pipeline.executors.local import local_executor
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.pipeline.scheduler import BuildProgress
    from tests.tiny_build import make_job

    out = tmp_path / "out"
    run_build(add_features(make_job(tiny_manifest, out, audio=False)), local_executor(1), BuildProgress())
    assert ReproductionCheck(out).check(FIRST_KEY) == []
    forge(out, "mix.npy", levels(44))
    (finding,) = ReproductionCheck(out).check(FIRST_KEY)
    assert finding.found == "differs"
