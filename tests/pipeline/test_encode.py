"""Tokens have the same bytes, made during rendering or later, with or without audio, by any number of workers."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.errors import BuildError, ShardError
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.pipeline.executors.local import PoolExecutor, local_executor
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.jobs.encode import EncodeJob
from rmod_pipeline.pipeline.jobs.from_audio import _read_pairs
from rmod_pipeline.pipeline.run import run_build, run_on_audio
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import TokenFamily, family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes
from tests.tiny_build import RATE, make_job, on_disk, reproducible_files
from tests.tiny_codec import encoding_of, save_tiny, with_tokens


def encode(job: BuildJob, weights: Path, workers: int = 1) -> int:
    """Add tokens to a finished data set, and return the number of pairs encoded."""
    encode_job = EncodeJob(out=job.out, encoding=encoding_of(job, weights))
    return run_on_audio(encode_job, local_executor(workers), BuildProgress()).made


def test_tokens_made_later_equal_those_made_during_rendering(
    tiny_manifest: Path, tiny_built: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    assert encode(make_job(tiny_manifest, out), tiny_weights) == 12
    assert reproducible_files(out) == reproducible_files(tiny_tokens)
    assert encode(make_job(tiny_manifest, out), tiny_weights) == 0


def test_two_workers_and_one_encoder_make_the_tokens_of_one_process(
    tiny_manifest: Path, tiny_built: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    job = with_tokens(make_job(tiny_manifest, tmp_path / "built"), tiny_weights)
    run_build(job, PoolExecutor(2), BuildProgress())
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_tokens)
    out = shutil.copytree(tiny_built, tmp_path / "later")
    encode(make_job(tiny_manifest, out), tiny_weights, workers=2)
    assert reproducible_files(out) == reproducible_files(tiny_tokens)


def test_tokens_and_index_are_the_same_without_audio(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = with_tokens(make_job(tiny_manifest, out, audio=False), tiny_weights)
    run_build(job, local_executor(1), BuildProgress())
    assert not (out / "audio").exists()
    files, expected = reproducible_files(out), reproducible_files(tiny_tokens)
    for path in files:
        if path.endswith((".tar", ".parquet")):
            assert files[path] == expected[path]
    assert sum(path.endswith(".tar") for path in files) == 5
    assert run_build(job, local_executor(1), BuildProgress()).made == 0


def test_a_build_adds_missing_tokens_without_rendering(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    shutil.rmtree(out / "tokens")
    shutil.rmtree(out / "receipts" / "tokens")
    monkeypatch.setattr("rmod_pipeline.pipeline.shard.render_pairs", None)
    run_build(with_tokens(make_job(tiny_manifest, out), tiny_weights), local_executor(1), BuildProgress())
    assert reproducible_files(out) == reproducible_files(tiny_tokens)


def test_an_interrupted_encoding_resumes(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    layout, (name,) = Layout(out), family_names(out)
    layout.receipt("train-000001", f"tokens/{name}").unlink()
    cut = layout.tar("train-000002", f"tokens/{name}")
    cut.write_bytes(cut.read_bytes()[:1000])
    kept = on_disk(layout.tar("train-000000", f"tokens/{name}"))
    before = kept.stat().st_mtime_ns
    assert encode(make_job(tiny_manifest, out), tiny_weights) == 6
    assert kept.stat().st_mtime_ns == before
    assert reproducible_files(out) == reproducible_files(tiny_tokens)


def test_tokens_have_the_windows_of_the_recipe_and_record_their_length(tiny_tokens: Path) -> None:
    (name,) = family_names(tiny_tokens)
    family = read_family(tiny_tokens, name)
    assert dict(family.windows) == {"mix": 44, "kick": 90, "snare": 90}
    for key, members in read_tar(Layout(tiny_tokens).tar("train-000000", family.folder)):
        assert list(members) == family.members()
        for sound, frames in family.windows.items():
            codes = decode_codes(members[f"{sound}.npy"], key)
            assert codes.shape == (9, frames)
            assert codes.max() < 1024
        tokens = json.loads(members["json"])["tokens"]
        assert tokens["codec"] == name
        assert tokens["frames"] == {"mix": 44, "kick": 9, "snare": 9}


def test_one_thread_or_two_make_the_same_tokens(tiny_weights: Path) -> None:
    import torch

    audio = (0.3 * np.random.default_rng(0).standard_normal((5, 44 * 512))).astype(np.float32)
    codec = CodecChoice(name=str(tiny_weights), device="cpu", batch=4).open()
    try:
        torch.set_num_threads(2)
        with_two_threads = codec.encode(audio)
    finally:
        torch.set_num_threads(1)
    np.testing.assert_array_equal(with_two_threads, codec.encode(audio))


class _KillEncoder(BuildProgress):
    """Kill the encoder processes when the first pairs are made."""

    def __init__(self) -> None:
        self.killed: list[int] = []

    def advance(self, pairs: int) -> None:
        if pairs and not self.killed:
            import multiprocessing

            # Encoders are daemons; renderers belong to a pool.
            victims = [child for child in multiprocessing.active_children() if child.daemon and child.pid]
            for victim in victims:
                os.kill(victim.pid or 0, signal.SIGKILL)
                self.killed.append(victim.pid or 0)


def test_the_death_of_an_encoder_changes_no_byte(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    job, progress = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights), _KillEncoder()
    summary = run_build(job, PoolExecutor(2), progress)
    assert progress.killed
    assert not summary.failures
    assert reproducible_files(on_disk(job.out)) == reproducible_files(tiny_tokens)


def test_tokens_by_other_weights_or_another_batch_are_refused(
    tiny_manifest: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    job = make_job(tiny_manifest, out)
    other = replace(encoding_of(job, tiny_weights).choice, batch=2)
    family = TokenFamily.of(job.recipe, other.fingerprint(), job.digest)
    with pytest.raises(BuildError, match=r"codec.batch: existing 4, requested 2"):
        run_on_audio(
            EncodeJob(out=out, encoding=TokenSettings(choice=other, family=family)), local_executor(1), BuildProgress()
        )
    (name,) = family_names(out)
    path = Layout(out).codec(f"tokens/{name}")
    content = json.loads(path.read_bytes())
    content["codec"]["sha256"] = "0" * 64
    on_disk(path).write_text(json.dumps(content))
    with pytest.raises(BuildError, match=r"codec\.sha256"):
        encode(job, tiny_weights)


def test_two_codecs_stand_side_by_side(tiny_manifest: Path, tiny_tokens: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_tokens, tmp_path / "out")
    other = save_tiny(tmp_path / "other.pth", seed=1, sample_rate=RATE)
    assert encode(make_job(tiny_manifest, out), other) == 12
    assert len(family_names(out)) == 2


def test_data_sets_that_cannot_be_encoded_are_named(tiny_manifest: Path, tiny_weights: Path, tmp_path: Path) -> None:
    job = make_job(tiny_manifest, tmp_path / "none")
    with pytest.raises(ShardError, match="no data set here"):
        encode(job, tiny_weights)
    with pytest.raises(BuildError, match=r"22050 Hz, but the codec .* takes 44100 Hz"):
        encoding_of(job, save_tiny(tmp_path / "other.pth"))
    silent = with_tokens(make_job(tiny_manifest, tmp_path / "silent", audio=False), tiny_weights)
    run_build(silent, local_executor(1), BuildProgress())
    with pytest.raises(BuildError, match="keeps no sound"):
        encode(silent, tiny_weights)


def test_a_damaged_audio_shard_fails_alone(
    tiny_manifest: Path, tiny_built: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    tar = Layout(out).tar("train-000001")
    tar.write_bytes(tar.read_bytes()[:5000])
    job = EncodeJob(out=out, encoding=encoding_of(make_job(tiny_manifest, out), tiny_weights))
    summary = run_on_audio(job, local_executor(1), BuildProgress())
    assert [failure.shard for failure in summary.failures] == ["train-000001"]
    assert summary.made == 9


def test_a_codec_without_memory_ends_the_build_with_a_hint(
    tiny_manifest: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def run_out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("dac.nn.quantize.ResidualVectorQuantize.forward", run_out_of_memory)
    job = with_tokens(make_job(tiny_manifest, tmp_path / "out"), tiny_weights)
    summary = run_build(job, local_executor(1), BuildProgress())
    assert [failure.shard for failure in summary.failures] == ["train-000000"], "every other would fail too"
    assert "out of memory with a batch of 4" in summary.failures[0].cause
    assert "--batch" in summary.failures[0].cause
    files = reproducible_files(on_disk(job.out))
    assert {Path(path).name for path in files} == {"build.json", "codec.json"}


def test_audio_that_cannot_be_encoded_is_named(tiny_tokens: Path) -> None:
    layout, family = Layout(tiny_tokens), read_family(tiny_tokens, family_names(tiny_tokens)[0])
    tar = layout.tar("train-000000")
    assert next(_read_pairs(tar, family))[0] == "train-00000000"
    with pytest.raises(ShardError, match="train-00000000 has no cowbell"):
        next(_read_pairs(tar, replace(family, windows={"cowbell": 9})))
    other: Any = SimpleNamespace(windows=family.windows, sample_rate=8_000)
    with pytest.raises(ShardError, match=rf"train-00000000.mix is at {RATE} Hz, but build.json says 8000 Hz"):
        next(_read_pairs(tar, other))


def test_a_build_without_finished_shards_has_nothing_to_encode(
    tiny_manifest: Path, tiny_built: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    job = EncodeJob(out=out, encoding=encoding_of(make_job(tiny_manifest, out), tiny_weights))
    assert job.required_files() == [Layout(out).build]
    assert len(job.finished_shards()) == 5
    for path in Layout(out).receipts():
        path.unlink()
    with pytest.raises(ShardError, match="no finished shards here"):
        job.finished_shards()
