"""A data set on an object store is the one on a disk, whatever happens on the way: asked of a real S3 server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import pytest

from rmod_pipeline.errors import BuildError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.event_log import read_events
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.leases import lease_on
from rmod_pipeline.pipeline.leases.object_lease import LEASE_SECONDS, ObjectLease
from rmod_pipeline.pipeline.run import BuildSummary, run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout, plan_shards
from rmod_pipeline.storage import Location, StorePath, parse_location
from rmod_pipeline.storage.process_identity import machine_id
from tests.tiny_build import RECIPE, children, command_of, eventually, make_job, promised, start

ARGUMENTS = ["--pairs", "train=10,valid=2", "--shard-size", 3]


def build(manifest: Path, out: Location, workers: int = 1, **changes: Any) -> BuildSummary:
    job = replace(make_job(manifest, Path()), out=out, **changes)
    return run_build(job, local_executor(workers), BuildProgress())


def at(bucket: Any, name: str = "data") -> StorePath:
    there = parse_location(f"{bucket}/{name}")
    assert isinstance(there, StorePath)
    return there


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.yaml"
    file.write_text(RECIPE)
    return file


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What one test fetched is no help to another."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("RMOD_CACHE", str(folder))
    return folder


def test_a_build_straight_to_a_store_is_the_one_on_the_disk(
    tiny_manifest: Path,
    tiny_tokens: Path,
    tiny_weights: Path,
    recipe: Path,
    bucket: Any,
    rmod: Callable[..., Any],
    own_cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Library, weights and data set all lie there; every object is the local file, and everything reads it back."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    bucket.put_folder(tiny_manifest.parent, "library")
    bucket.put("weights/tiny.pth", tiny_weights.read_bytes())
    library, weights, data = f"{bucket}/library/library.csv", f"{bucket}/weights/tiny.pth", f"{bucket}/data"
    said = rmod("build", recipe, "--library", library, "--out", data, *ARGUMENTS, "--codec", weights, "--batch", 4)
    assert said.code == 0, said
    assert bucket.promised("data") == promised(tiny_tokens)
    sounds = len(list(tiny_manifest.parent.rglob("*.wav")))
    fetched = sum(path.endswith(".wav") and method == "GET" for method, path in bucket.server.requests)
    assert 0 < fetched <= sounds, "a sound is fetched once"
    assert not list((own_cache / "drafts").iterdir())

    bucket.server.requests.clear()
    said = rmod("verify", data, "--rerender", 2)
    assert said.code == 0, said
    assert "everything is as its receipts say" in said.out
    assert "2 pairs rendered again: 2 the same bit by bit" in said.out
    assert bucket.asked("GET", "audio/train-000000.tar") == 1, "a tar is fetched once, not a member at a time"
    assert not any(path.endswith(".wav") for _, path in bucket.server.requests), "sounds are in the cache"

    assert rmod("show", data).code == 0
    assert rmod("show", data, "--keys").out.split() == rmod("show", tiny_tokens, "--keys").out.split()
    assert (
        rmod("show", data, "train-00000004", "--json").out == rmod("show", tiny_tokens, "train-00000004", "--json").out
    )
    for out, folder in ((data, "there"), (tiny_tokens, "local")):
        assert rmod("decode", out, "train-00000004", "--out", tmp_path / folder, "--codec", weights).code == 0
    assert promised(tmp_path / "there") == promised(tmp_path / "local")
    assert rmod("preview", data, "--pairs", 2).code == 0
    assert [path.name for path in Path().iterdir()] == ["data-preview.html"], "nothing else is written here"

    again = rmod("build", recipe, "--library", library, "--out", data, *ARGUMENTS, "--codec", weights, "--batch", 4)
    assert "everything was there already" in again.out


def test_tokens_are_added_to_sound_that_is_there(
    tiny_built: Path, tiny_tokens: Path, tiny_weights: Path, bucket: Any, rmod: Callable[..., Any]
) -> None:
    bucket.put_folder(tiny_built, "data")
    said = rmod("encode", f"{bucket}/data", "--codec", tiny_weights, "--batch", 4)
    assert said.code == 0, said
    assert bucket.promised("data") == promised(tiny_tokens)


@pytest.mark.slow
def test_two_builds_at_once_share_the_work(tiny_manifest: Path, tiny_built: Path, recipe: Path, bucket: Any) -> None:
    arguments = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", *ARGUMENTS]
    runs = [start(arguments) for _ in range(2)]
    said = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert bucket.promised("data") == promised(tiny_built)
    shards = [event["shard"] for event in read_events(at(bucket) / "log") if event["event"] == "shard"]
    assert len(shards) == len(set(shards)) == 5, "a shard was made twice"
    assert not bucket.keys("data/log/claims/")


@pytest.mark.slow
def test_a_killed_build_goes_on_to_the_same_bytes(
    tiny_manifest: Path, recipe: Path, bucket: Any, own_cache: Path
) -> None:
    """Killed in the middle: no half of an object is there, and the leases of the dead are taken over at once."""
    command = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", "--pairs", "train=60"]
    command += ["--shard-size", 10, "--workers", 2]
    run = start(command)
    at_work = lambda: len(bucket.keys("data/receipts/")) >= 2 and bucket.keys("data/log/claims/")  # noqa: E731
    assert eventually(lambda: at_work() or run.poll() is not None, 60)
    workers = children(run.pid)
    run.kill()
    run.communicate(timeout=20)
    assert eventually(lambda: not any(map(command_of, workers)))
    assert bucket.keys("data/log/claims/"), "it died at work"
    began = time.monotonic()
    run = start(command)
    said = run.communicate(timeout=120)
    assert run.returncode == 0, said
    assert "pairs exist already" in said[1]
    assert time.monotonic() - began < LEASE_SECONDS / 2
    local = own_cache.parent / f"{own_cache.name}-whole"
    build(tiny_manifest, local, counts={"train": 60}, shard_size=10)
    assert bucket.promised("data") == promised(local)
    assert not list((own_cache / "drafts").iterdir()), "what the dead left is swept"


def test_one_refused_write_in_five_costs_nothing_but_time(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    writes = 0

    def one_in_five(method: str, _path: str) -> int | None:
        nonlocal writes
        writes += method == "PUT"
        return 503 if method == "PUT" and writes % 5 == 0 else None

    bucket.server.fault = one_in_five
    assert not build(tiny_manifest, at(bucket)).failures
    assert writes > 20
    assert bucket.promised("data") == promised(tiny_built)


def test_answers_that_get_lost_cost_nothing_but_time(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    """Every fourth request of any kind fails with the server's own error."""
    asked = 0

    def one_in_four(_method: str, _path: str) -> int | None:
        nonlocal asked
        asked += 1
        return 500 if asked % 4 == 0 else None

    bucket.server.fault = one_in_four
    assert not build(tiny_manifest, at(bucket)).failures
    bucket.server.fault = lambda _method, _path: None
    assert bucket.promised("data") == promised(tiny_built)


def test_answers_that_end_in_the_middle_are_asked_for_again(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Callable[..., Any]
) -> None:
    """Half a tar must not pass for a damaged one, nor half a sound for another."""
    bucket.put_folder(tiny_manifest.parent, "library")
    asked = 0

    def one_in_three(method: str, _path: str) -> bool:
        nonlocal asked
        asked += method == "GET"
        return method == "GET" and asked % 3 == 0

    bucket.server.cut = one_in_three
    library = load_library(f"{bucket}/library/library.csv")
    assert not build(tiny_manifest, at(bucket), library=library).failures
    said = rmod("verify", at(bucket))
    assert said.code == 0, said
    bucket.server.cut = lambda _method, _path: False
    assert bucket.promised("data") == promised(tiny_built)


def test_answers_that_are_long_in_coming_are_asked_for_again(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tenth is slower than the client's patience; the store does then what nobody waits for any more."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.5}})
    asked, late = 0, []

    def slow(method: str, path: str) -> None:
        nonlocal asked
        asked += 1
        if asked % 10 == 0:
            late.append((method, path))
            time.sleep(1.2)

    bucket.server.fault = slow
    assert not build(tiny_manifest, at(bucket)).failures
    assert len(late) > 2
    assert all(bucket.server.requests.count(each) > 1 for each in late)
    bucket.server.fault = lambda _method, _path: None
    assert bucket.promised("data") == promised(tiny_built)


def test_a_fault_that_stays_fails_its_shard_alone(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Callable[..., Any]
) -> None:
    bucket.server.fault = lambda method, path: 500 if method == "PUT" and path.endswith("/train-000001.tar") else None
    summary = build(tiny_manifest, at(bucket))
    assert [failure.shard for failure in summary.failures] == ["train-000001"]
    assert "failed 8 times" in summary.failures[0].cause
    assert not summary.failures[0].fatal
    assert summary.pairs == {"train": 7, "valid": 2}
    assert "again" in [event["event"] for event in read_events(at(bucket) / "log")], "it was tried once more at the end"
    said = rmod("verify", at(bucket))
    assert said.code == 1
    assert "1 of 4 shards are not made yet, train-000001 the first" in said.out
    bucket.server.fault = lambda _method, _path: None
    assert build(tiny_manifest, at(bucket)).made == 3
    assert bucket.promised("data") == promised(tiny_built)


def test_what_was_damaged_there_is_found_and_made_again(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Callable[..., Any]
) -> None:
    bucket.put_folder(tiny_built, "data")
    assert rmod("verify", at(bucket)).code == 0
    tar = bytearray(bucket.get("data/audio/train-000001.tar"))
    tar[600] ^= 1
    bucket.put("data/audio/train-000001.tar", bytes(tar))
    said = rmod("verify", at(bucket))
    assert said.code == 1
    assert "audio/train-000001.tar: its checksum differs from that in its receipt" in said.out
    bucket.remove("data/receipts/audio/train-000001.json")
    bucket.remove("data/index/valid-000000.parquet")
    assert build(tiny_manifest, at(bucket)).made == 3 + 2
    assert bucket.promised("data") == promised(tiny_built)


def test_another_data_set_is_not_gone_on_with(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    bucket.put_folder(tiny_built, "data")
    before = bucket.promised("data")
    with pytest.raises(BuildError, match="seed: existing 0, requested 1"):
        build(tiny_manifest, at(bucket), seed=1)
    assert bucket.promised("data") == before


def test_a_sound_that_changed_on_the_store_fails_its_shards(tiny_manifest: Path, bucket: Any) -> None:
    bucket.put_folder(tiny_manifest.parent, "library")
    for key in bucket.keys("library/kick/"):
        bucket.put(key, b"another sound")
    library = load_library(f"{bucket}/library/library.csv")
    summary = build(tiny_manifest, at(bucket), library=library)
    assert len(summary.failures) == 5
    assert "changed since the scan" in summary.failures[0].cause


def test_weights_that_change_under_a_build_are_refused(tiny_weights: Path, bucket: Any) -> None:
    """A worker that comes later opens what the first opened, or nothing."""
    from rmod_pipeline.codec import CodecChoice
    from rmod_pipeline.errors import CodecError
    from tests.tiny_build import RATE
    from tests.tiny_codec import save_tiny

    bucket.put("tiny.pth", tiny_weights.read_bytes())
    choice = CodecChoice(name=f"{bucket}/tiny.pth", device="cpu")
    choice = replace(choice, sha256=choice.fingerprint()["sha256"])
    assert choice.open().identity.name.startswith("tiny-")
    other = save_tiny(tiny_weights.parent / "other.pth", seed=1, sample_rate=RATE)
    bucket.put("tiny.pth", other.read_bytes())
    with pytest.raises(CodecError, match="have changed"):
        choice.open()


@pytest.fixture(scope="module")
def dead() -> int:
    """The number of a process that is gone."""
    run = subprocess.Popen([sys.executable, "-c", ""])
    run.wait()
    return run.pid


def test_a_lease_is_had_by_one_and_ends_with_its_holder(bucket: Any, dead: int) -> None:
    folder = at(bucket) / "log" / "claims"
    first, second = lease_on(folder, "a"), lease_on(folder, "a")
    assert isinstance(first, ObjectLease)
    assert first.take()
    assert not second.take()
    assert second.held()
    with first:
        pass
    assert not second.held()
    assert second.take()

    def left_by(where: str, process: int, seconds: float) -> ObjectLease:
        said = {"owner": "x", "machine": where, "process": process, "until": time.time() + seconds}
        (folder / "b").write_bytes(json.dumps(said).encode())
        return ObjectLease(folder / "b")

    assert left_by(machine_id(), dead, 60).take()
    assert not left_by(machine_id(), os.getpid(), 60).take()
    assert not left_by("elsewhere", dead, 60).take()
    assert left_by("elsewhere", dead, -1).take()


def test_a_lease_is_renewed_and_one_whose_answer_got_lost_is_had(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = ObjectLease(at(bucket) / "a")
    assert lease.take()
    assert lease.take(), "the store has it already, put by the same owner"
    monkeypatch.setattr(ObjectLease, "every", 0.01)
    before = json.loads(bucket.get("data/a"))["until"]
    with lease:
        assert eventually(lambda: json.loads(bucket.get("data/a"))["until"] > before, 10)
    assert not bucket.keys("data/a")


def test_a_lease_that_another_has_is_neither_renewed_nor_given_back(
    bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner was slow, and another took it over."""
    monkeypatch.setattr(ObjectLease, "every", 0.01)
    slow, quick = ObjectLease(at(bucket) / "a"), ObjectLease(at(bucket) / "a")
    assert slow.take()
    said = json.loads(bucket.get("data/a"))
    bucket.put("data/a", json.dumps({**said, "until": time.time() - 1}).encode())
    assert quick.take()
    theirs = bucket.get("data/a")
    with slow:
        time.sleep(0.2)
    assert bucket.get("data/a") == theirs
    bucket.server.fault = lambda method, _path: 500 if method == "DELETE" else None
    with quick:
        pass  # a store that fails here fails no shard


def test_status_is_told_of_a_store(
    tiny_manifest: Path, tiny_built: Path, recipe: Path, bucket: Any, rmod: Callable[..., Any]
) -> None:
    command = ["build", recipe, "--library", tiny_manifest, "--out", f"{bucket}/data", *ARGUMENTS]
    said = rmod("status", f"{bucket}/data")
    assert (said.code, "no data set here" in said.err) == (2, True), said
    bucket.server.fault = lambda method, path: 500 if method == "PUT" and path.endswith("/train-000001.tar") else None
    assert rmod(*command).code == 1
    bucket.server.fault = lambda _method, _path: None
    lease = lease_on(Layout(at(bucket)).leases, "train-000002")
    assert lease.take()
    bucket.server.requests.clear()
    said = rmod("status", f"{bucket}/data", "--json")
    assert said.code == 1, said
    status = json.loads(said.out)
    assert [each["shard"] for each in status["failed"]] == ["train-000001"]
    assert status["running"] == ["train-000002"]
    assert (status["shards"], status["families"][0]["shards"], status["done"]) == (5, 4, False)
    asked = [path for method, path in bucket.server.requests if method == "GET" and "/log/claims/" in path]
    assert len(asked) == 1, "leases that are not there are not asked for"
    lease.__enter__()
    lease.__exit__(None, None, None)
    bucket.remove("data/receipts/audio/train-000000.json")
    said = rmod("status", f"{bucket}/data")
    assert (said.code, "--retry-failed" in said.out) == (1, True), said
    assert rmod(*command, "--retry-failed").code == 0
    assert bucket.keys("data/receipts/audio/train-000001")
    assert not bucket.keys("data/receipts/audio/train-000000"), "it had not failed"
    assert rmod("status", f"{bucket}/data").code == 0
    assert rmod(*command).code == 0
    assert "Done." in rmod("status", f"{bucket}/data").out
    assert bucket.promised("data") == promised(tiny_built)


def test_a_shard_that_is_published_while_a_store_is_listed_keeps_its_receipt(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list comes page by page, audio before receipts."""
    bucket.put_folder(tiny_built, "data")
    whole = StorePath.listed
    late = f"{bucket}/data/audio/train-000001.tar"

    def listed(self: StorePath) -> StorePath:
        there = whole(self)
        return replace(there, listing={key: size for key, size in (there.listing or {}).items() if key != late})

    monkeypatch.setattr(StorePath, "listed", listed)
    bucket.server.requests.clear()
    job = replace(make_job(tiny_manifest, Path()), out=at(bucket))
    assert not job.missing(plan_shards(job.counts, job.shard_size))
    assert not any(method == "DELETE" for method, _ in bucket.server.requests)
    bucket.remove("data/audio/train-000001.tar")
    assert [plan.name for plan in job.missing(plan_shards(job.counts, job.shard_size))] == ["train-000001"]
    assert not bucket.keys("data/receipts/audio/train-000001")


def test_no_bucket_no_access_no_data_set(
    bucket: Any, rmod: Callable[..., Any], tiny_manifest: Path, recipe: Path, tmp_path: Path
) -> None:
    arguments = ["build", recipe, "--library", tiny_manifest, *ARGUMENTS, "--out"]
    for command in (["show"], ["verify"], ["encode"], arguments):
        said = rmod(*command, "s3://there-is-no-such-bucket/data")
        assert (said.code, "there is no bucket there-is-no-such-bucket" in said.err) == (2, True), said
    said = rmod("show", f"{bucket}/absent")
    assert (said.code, "no data set here" in said.err) == (2, True), said
    said = rmod("build", recipe, "--library", f"{bucket}/absent.csv", "--out", tmp_path / "out")
    assert (said.code, "no such file" in said.err) == (2, True), said
    said = rmod(*arguments, tmp_path / "out", "--codec", f"{bucket}/absent.pth")
    assert (said.code, "no such object" in said.err) == (2, True), said
    said = rmod("preview", f"{bucket}/absent.yaml")
    assert (said.code, "neither a data set's folder nor a recipe" in said.err) == (2, True), said
    bucket.server.fault = lambda method, _path: 403 if method == "PUT" else None
    said = rmod(*arguments, f"{bucket}/data")
    assert (said.code, "access denied" in said.err) == (2, True), said
    bucket.server.fault = lambda _method, _path: 403
    for command in (["show"], ["verify"], arguments):
        said = rmod(*command, f"{bucket}/data")
        assert (said.code, "access denied" in said.err) == (2, True), said
        assert "Traceback" not in said.err
    assert not (tmp_path / "out").exists()


def test_no_network_and_no_credentials_are_said_in_a_line(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, rmod: Callable[..., Any]
) -> None:
    from s3fs import S3FileSystem

    from tests.local_store import SECRET

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
    S3FileSystem.clear_instance_cache()
    said = rmod("show", f"{bucket}/data")
    assert (said.code, "failed 8 times" in said.err, "network" in said.err) == (2, True, True), said
    assert SECRET not in said.err + said.out
    assert "Traceback" not in said.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server.endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    S3FileSystem.clear_instance_cache()
    said = rmod("show", f"{bucket}/data")
    assert (said.code, "no credentials" in said.err) == (2, True), said
    assert "Traceback" not in said.err
