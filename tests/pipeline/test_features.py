"""Features have the same bytes, made during rendering or later, with or without audio, by any number of workers."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.codec import mix_to_mono
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.pipeline.configure import add_features, configure_features
from rmod_pipeline.pipeline.executors.local import PoolExecutor, local_executor
from rmod_pipeline.pipeline.run import run_build, run_on_audio
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import decode_audio
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.windows.feature_family import FeatureFamily, choose_features, feature_names
from rmod_pipeline.shards.windows.features import decode_levels
from tests.tiny_build import make_job, on_disk, reproducible_files
from tests.tiny_codec import with_tokens


def compute(out: Path, workers: int = 1) -> int:
    """Add features to a finished data set, and return the number of pairs that they were made of."""
    return run_on_audio(configure_features(out), local_executor(workers), BuildProgress()).made


def without_features(out: Path) -> dict[str, bytes]:
    """Return the reproducible files without those of features."""
    return {name: data for name, data in reproducible_files(out).items() if "features" not in Path(name).parts}


def remove_features(out: Path) -> None:
    shutil.rmtree(out / "features")
    shutil.rmtree(out / "receipts" / "features")


def test_a_build_with_features_has_the_bytes_of_one_without(tiny_built: Path, tiny_features: Path) -> None:
    assert without_features(tiny_features) == reproducible_files(tiny_built)


@pytest.mark.parametrize("workers", [1, 2])
def test_features_made_later_equal_those_made_during_rendering(
    tiny_built: Path, tiny_features: Path, tmp_path: Path, workers: int
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    assert compute(out, workers) == 12
    assert reproducible_files(out) == reproducible_files(tiny_features)
    assert compute(out) == 0


def test_two_workers_make_the_features_of_one(tiny_manifest: Path, tiny_features: Path, tmp_path: Path) -> None:
    job = add_features(make_job(tiny_manifest, tmp_path / "out"))
    assert pickle.loads(pickle.dumps(job)).families == job.families
    run_build(job, PoolExecutor(2), BuildProgress())
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_features)


def test_features_are_the_same_without_audio(tiny_manifest: Path, tiny_features: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    job = make_job(tiny_manifest, out, audio=False)
    run_build(job, local_executor(1), BuildProgress())
    assert compute_tars(out) == {}
    # The audio is gone, so features that are asked for later are rendered again.
    assert run_build(add_features(job), local_executor(1), BuildProgress()).made == 12
    assert compute_tars(out) == compute_tars(tiny_features)
    assert run_build(add_features(job), local_executor(1), BuildProgress()).made == 0
    with pytest.raises(BuildError, match="keeps no sound"):
        compute(out)


def compute_tars(out: Path) -> dict[str, bytes]:
    """Return the tars of features by name."""
    return {path.name: path.read_bytes() for path in out.glob("features/*/*.tar")}


def test_a_build_adds_missing_features_without_rendering(
    tiny_manifest: Path, tiny_features: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    remove_features(out)
    monkeypatch.setattr("rmod_pipeline.pipeline.shard.render_pairs", None)
    assert run_build(add_features(make_job(tiny_manifest, out)), local_executor(1), BuildProgress()).made == 12
    assert reproducible_files(out) == reproducible_files(tiny_features)


def test_a_build_adds_features_to_tokens_and_keeps_these(
    tiny_manifest: Path, tiny_tokens: Path, tiny_features: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    tars = sorted(out.glob("tokens/*/*.tar"))
    before = [path.stat().st_mtime_ns for path in tars]
    job = add_features(with_tokens(make_job(tiny_manifest, out), tiny_weights))
    assert run_build(job, local_executor(1), BuildProgress()).made == 12
    assert [path.stat().st_mtime_ns for path in tars] == before
    assert compute_tars(out) == compute_tars(tiny_features)
    # Both are made in one pass over the audio.
    shutil.rmtree(out / "tokens")
    shutil.rmtree(out / "receipts" / "tokens")
    remove_features(out)
    assert run_build(job, local_executor(1), BuildProgress()).made == 12
    assert reproducible_files(out) == {**reproducible_files(tiny_tokens), **reproducible_files(tiny_features)}


def test_an_interrupted_run_resumes(tiny_features: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    layout, (name,) = Layout(out), feature_names(out)
    layout.receipt("train-000001", f"features/{name}").unlink()
    cut = on_disk(layout.tar("train-000002", f"features/{name}"))
    cut.write_bytes(cut.read_bytes()[:1000])
    kept = on_disk(layout.tar("train-000000", f"features/{name}"))
    before = kept.stat().st_mtime_ns
    assert compute(out) == 6
    assert kept.stat().st_mtime_ns == before
    assert reproducible_files(out) == reproducible_files(tiny_features)


def test_features_are_those_of_the_mono_sound_and_say_their_scale(tiny_features: Path) -> None:
    family = choose_features(tiny_features)
    assert family.to_dict() == json.loads((tiny_features / family.folder / "features.json").read_bytes())
    assert dict(family.windows) == {"mix": 44, "kick": 90, "snare": 90}
    layout = Layout(tiny_features)
    audio = dict(read_tar(layout.tar("train-000000")))
    for key, members in read_tar(layout.tar("train-000000", family.folder)):
        assert list(members) == family.members()
        features = json.loads(members["json"])["features"]
        assert features["frames"] == {"mix": 44, "kick": 9, "snare": 9}
        assert {name: features[name] for name in ("name", "floor_db", "step_db", "hop", "windows")} == {
            "name": family.name,
            "floor_db": family.mel.floor_db,
            "step_db": family.mel.step_db,
            "hop": 512,
            "windows": [4096, 1024],
        }
        for sound in family.windows:
            levels = decode_levels(members[f"{sound}.npy"], key)
            assert levels.shape == family.shape(sound)
            mono = mix_to_mono(decode_audio(audio[key][f"{sound}.wav"])[0])
            padded = np.zeros(family.windows[sound] * family.hop, np.float32)
            padded[: mono.size] = mono[: padded.size]
            np.testing.assert_array_equal(levels, family.mel.compute(padded))


def test_features_of_another_definition_are_refused(tiny_features: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    path = out / choose_features(out).folder / "features.json"
    content = json.loads(path.read_bytes())
    for changed, message in (
        ({**content, "features": {**content["features"], "format": "log-mel-99"}}, "its format is not"),
        ({**content, "features": {**content["features"], "bands": 32}}, "but its folder is"),
        ({"build": content["build"]}, "not the description of features"),
        ([], "not the description of features"),
    ):
        path.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(ShardError, match=message) as error:
            compute(out)
        assert str(path) in str(error.value)
        assert "rmod features" in str(error.value)


def test_features_with_other_windows_are_refused(tiny_features: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    path = out / choose_features(out).folder / "features.json"
    content = json.loads(path.read_bytes())
    content["windows"]["kick"] = 40
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BuildError, match="features made with other options"):
        compute(out)


def test_features_are_for_the_rate_of_the_recipe(tiny_manifest: Path, tmp_path: Path) -> None:
    job = make_job(tiny_manifest, tmp_path / "out")
    family = FeatureFamily.of(job.recipe, job.digest)
    assert family.sample_rate == job.recipe.sample_rate
    with pytest.raises(ValueError, match="but the recipe has"):
        FeatureFamily.of(job.recipe, job.digest, type(family.mel)(sample_rate=8000))
