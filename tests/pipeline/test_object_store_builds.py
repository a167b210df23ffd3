"""A data set on an object store equals the one on a disk; checked with a real S3 server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.errors import BuildError, CodecError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.leases import make_lease
from rmod_pipeline.pipeline.leases.object_lease import LEASE_SECONDS
from rmod_pipeline.shards.layout import Layout, plan_shards
from rmod_pipeline.storage import StorePath
from tests.store_build import BUILD_OPTIONS, build, data_path
from tests.tiny_build import (
    PATIENCE_SECONDS,
    RATE,
    child_processes,
    have_ended,
    make_job,
    reproducible_files,
    start_rmod,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("own_cache")
Rmod = Callable[..., Any]


def test_a_build_on_a_store_equals_the_one_on_a_disk(
    tiny_manifest: Path,
    tiny_tokens: Path,
    tiny_weights: Path,
    recipe: Path,
    bucket: Any,
    rmod: Rmod,
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Library, weights and data set are on the store, and every command reads the data set there."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("weights/tiny.pth", tiny_weights.read_bytes())
    library, weights, data = f"{bucket}/library/library.csv", f"{bucket}/weights/tiny.pth", f"{bucket}/data"
    command = ["build", recipe, "--library", library, "--out", data, *BUILD_OPTIONS, "--codec", weights, "--batch", 4]
    result = rmod(*command)
    assert result.code == 0, result
    assert bucket.reproducible_files("data") == reproducible_files(tiny_tokens)
    sounds = len(list(tiny_manifest.parent.rglob("*.wav")))
    fetched = sum(path.endswith(".wav") and method == "GET" for method, path in bucket.server.requests)
    assert 0 < fetched <= sounds, "a sound is fetched once"
    assert not list((own_cache / "drafts").iterdir())

    bucket.server.requests.clear()
    result = rmod("verify", data, "--rerender", 2)
    assert result.code == 0, result
    assert "everything agrees with its receipts" in result.out
    assert "2 pairs rendered again: 2 the same bit by bit" in result.out
    assert bucket.count_requests("GET", "audio/train-000000.tar") == 1, "a tar is fetched once, not member by member"
    assert not any(path.endswith(".wav") for _, path in bucket.server.requests), "sounds are in the cache"

    assert rmod("show", data).code == 0
    assert rmod("show", data, "--keys").out.split() == rmod("show", tiny_tokens, "--keys").out.split()
    shown = [rmod("show", out, "train-00000004", "--json").out for out in (data, tiny_tokens)]
    assert shown[0] == shown[1]
    for out, folder in ((data, "store"), (tiny_tokens, "local")):
        assert rmod("decode", out, "train-00000004", "--out", tmp_path / folder, "--codec", weights).code == 0
    assert reproducible_files(tmp_path / "store") == reproducible_files(tmp_path / "local")
    assert rmod("preview", data, "--pairs", 2).code == 0
    assert [path.name for path in Path().iterdir()] == ["data-preview.html"], "nothing else is written here"
    assert "everything exists already" in rmod(*command).out


def test_tokens_are_added_to_finished_audio(
    tiny_built: Path, tiny_tokens: Path, tiny_weights: Path, bucket: Any, rmod: Rmod
) -> None:
    bucket.put_folder(tiny_built, "data")
    result = rmod("encode", f"{bucket}/data", "--codec", tiny_weights, "--batch", 4)
    assert result.code == 0, result
    assert bucket.reproducible_files("data") == reproducible_files(tiny_tokens)


@pytest.mark.long
def test_two_simultaneous_builds_share_the_shards(
    tiny_manifest: Path, tiny_built: Path, recipe: Path, bucket: Any
) -> None:
    arguments = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", *BUILD_OPTIONS]
    runs = [start_rmod(arguments) for _ in range(2)]
    outputs = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)
    shards = [event["shard"] for event in read_events(data_path(bucket) / "log") if event["event"] == "shard"]
    assert len(shards) == len(set(shards)) == 5, "a shard was made twice"
    assert not bucket.keys("data/log/claims/")


@pytest.mark.long
def test_a_killed_build_resumes_to_equal_bytes(tiny_manifest: Path, recipe: Path, bucket: Any, own_cache: Path) -> None:
    """After the kill there is no partial object, and the leases of the dead process are taken over at once."""
    command = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", "--pairs", "train=60"]
    command += ["--shard-size", 10, "--workers", 2]
    is_uploading, is_dead = threading.Event(), threading.Event()

    def hold_upload(method: str, path: str) -> int | None:
        """Let the upload of one shard wait until its process is dead; then it is lost."""
        if is_dead.is_set() or not (method == "PUT" and path.endswith("audio/train-000003.tar")):
            return None
        is_uploading.set()
        is_dead.wait(PATIENCE_SECONDS)
        return 503

    bucket.server.fault = hold_upload
    run = start_rmod(command)
    assert wait_until(lambda: is_uploading.is_set() and len(bucket.keys("data/receipts/")) >= 2)
    workers = child_processes(run.pid)
    run.kill()
    run.communicate(timeout=PATIENCE_SECONDS)
    assert wait_until(lambda: have_ended(workers))
    is_dead.set()
    assert bucket.keys("data/log/claims/"), "it was killed while it held a lease"
    start = time.monotonic()
    run = start_rmod(command)
    output = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == 0, output
    assert "pairs exist already" in output[1]
    assert time.monotonic() - start < LEASE_SECONDS, "it waited for the lease of the dead process to expire"
    local = own_cache.parent / f"{own_cache.name}-whole"
    build(tiny_manifest, local, counts={"train": 60}, shard_size=10)
    assert bucket.reproducible_files("data") == reproducible_files(local)
    assert not list((own_cache / "drafts").iterdir()), "the drafts of the dead process are swept"


def test_damage_on_the_store_is_found_and_repaired(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Rmod
) -> None:
    bucket.put_folder(tiny_built, "data")
    assert rmod("verify", data_path(bucket)).code == 0
    tar = bytearray(bucket.get("data/audio/train-000001.tar"))
    tar[600] ^= 1
    bucket.put("data/audio/train-000001.tar", bytes(tar))
    result = rmod("verify", data_path(bucket))
    assert result.code == 1
    assert "audio/train-000001.tar: its checksum differs from that in its receipt" in result.out
    bucket.remove("data/receipts/audio/train-000001.json")
    bucket.remove("data/index/valid-000000.parquet")
    assert build(tiny_manifest, data_path(bucket)).made == 3 + 2
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_another_data_set_is_not_continued(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    bucket.put_folder(tiny_built, "data")
    before = bucket.reproducible_files("data")
    with pytest.raises(BuildError, match="seed: existing 0, requested 1"):
        build(tiny_manifest, data_path(bucket), seed=1)
    assert bucket.reproducible_files("data") == before


def test_a_changed_sound_on_the_store_fails_its_shards(tiny_manifest: Path, bucket: Any) -> None:
    bucket.put_folder(tiny_manifest.parent, "library")
    for key in bucket.keys("library/kick/"):
        bucket.put(key, b"another sound")
    library = load_library(f"{bucket}/library/library.csv")
    summary = build(tiny_manifest, data_path(bucket), library=library)
    assert len(summary.failures) == 5
    assert "changed since the scan" in summary.failures[0].cause


def test_weights_that_change_during_a_build_are_refused(tiny_weights: Path, bucket: Any) -> None:
    """A worker that starts later opens the same weights as the first, or none."""
    from rmod_pipeline.codec import CodecChoice
    from tests.tiny_codec import save_tiny

    bucket.put("tiny.pth", tiny_weights.read_bytes())
    choice = CodecChoice(name=f"{bucket}/tiny.pth", device="cpu")
    choice = replace(choice, sha256=choice.fingerprint()["sha256"])
    assert choice.open().identity.name.startswith("tiny-")
    other = save_tiny(tiny_weights.parent / "other.pth", seed=1, sample_rate=RATE)
    bucket.put("tiny.pth", other.read_bytes())
    with pytest.raises(CodecError, match="have changed"):
        choice.open()


def test_a_shard_published_during_a_listing_keeps_its_receipt(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listing comes page by page, audio before receipts."""
    bucket.put_folder(tiny_built, "data")
    with_listing = StorePath.with_listing
    late = f"{bucket}/data/audio/train-000001.tar"

    def list_without_late_tar(self: StorePath) -> StorePath:
        listed = with_listing(self)
        return replace(listed, listing={key: size for key, size in (listed.listing or {}).items() if key != late})

    monkeypatch.setattr(StorePath, "with_listing", list_without_late_tar)
    bucket.server.requests.clear()
    job = replace(make_job(tiny_manifest, Path()), out=data_path(bucket))
    plans = plan_shards(job.counts, job.shard_size)
    assert not job.missing_shards(plans)
    assert not any(method == "DELETE" for method, _ in bucket.server.requests)
    bucket.remove("data/audio/train-000001.tar")
    assert [plan.name for plan in job.missing_shards(plans)] == ["train-000001"]
    assert not bucket.keys("data/receipts/audio/train-000001")


def test_status_reads_a_data_set_on_a_store(
    tiny_manifest: Path, tiny_built: Path, recipe: Path, bucket: Any, rmod: Rmod
) -> None:
    command = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", *BUILD_OPTIONS]
    result = rmod("status", f"{bucket}/data")
    assert (result.code, "no data set here" in result.err) == (2, True), result
    bucket.server.fault = lambda method, path: 500 if method == "PUT" and path.endswith("/train-000001.tar") else None
    assert rmod(*command).code == 1
    bucket.server.fault = lambda _method, _path: None
    lease = make_lease(Layout(data_path(bucket)).leases, "train-000002")
    assert lease.acquire()
    bucket.server.requests.clear()
    result = rmod("status", f"{bucket}/data", "--json")
    assert result.code == 1, result
    status = json.loads(result.out)
    assert [failed["shard"] for failed in status["failed"]] == ["train-000001"]
    assert status["running"] == ["train-000002"]
    assert (status["shards"], status["families"][0]["shards"], status["done"]) == (5, 4, False)
    requests = [path for method, path in bucket.server.requests if method == "GET" and "/log/claims/" in path]
    assert len(requests) == 1, "only existing leases are read"
    with lease:
        pass
    bucket.remove("data/receipts/audio/train-000000.json")
    result = rmod("status", f"{bucket}/data")
    assert (result.code, "--retry-failed" in result.out) == (1, True), result
    assert rmod(*command, "--retry-failed").code == 0
    assert bucket.keys("data/receipts/audio/train-000001")
    assert not bucket.keys("data/receipts/audio/train-000000"), "it had not failed"
    assert rmod("status", f"{bucket}/data").code == 0
    assert rmod(*command).code == 0
    assert "Done." in rmod("status", f"{bucket}/data").out
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)
