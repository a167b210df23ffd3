"""A build on an object store survives temporary faults, and names permanent ones; checked with a real S3 server."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from s3fs import S3FileSystem

from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.event_log import read_events
from tests.local_store import SECRET
from tests.store_build import BUILD_OPTIONS, build, data_path
from tests.tiny_build import reproducible_files, wait_until

pytestmark = pytest.mark.usefixtures("own_cache")
Rmod = Callable[..., Any]


def test_refused_writes_are_retried(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    """One write in five is refused."""
    writes = 0

    def refuse_one_in_five(method: str, _path: str) -> int | None:
        nonlocal writes
        writes += method == "PUT"
        return 503 if method == "PUT" and writes % 5 == 0 else None

    bucket.server.fault = refuse_one_in_five
    assert not build(tiny_manifest, data_path(bucket)).failures
    assert writes > 20
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_requests_with_server_errors_are_retried(tiny_manifest: Path, tiny_built: Path, bucket: Any) -> None:
    """Every fourth request of any kind fails with the server's own error."""
    requests = 0

    def fail_one_in_four(_method: str, _path: str) -> int | None:
        nonlocal requests
        requests += 1
        return 500 if requests % 4 == 0 else None

    bucket.server.fault = fail_one_in_four
    assert not build(tiny_manifest, data_path(bucket)).failures
    bucket.server.fault = lambda _method, _path: None
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_cut_answers_are_requested_again(tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Rmod) -> None:
    """Half a tar must not count as a damaged tar, nor half a sound as a changed sound."""
    bucket.put_folder(tiny_manifest.parent, "library")
    reads = 0

    def cut_one_in_three(method: str, _path: str) -> bool:
        nonlocal reads
        reads += method == "GET"
        return method == "GET" and reads % 3 == 0

    bucket.server.cut = cut_one_in_three
    library = load_library(f"{bucket}/library/library.csv")
    assert not build(tiny_manifest, data_path(bucket), library=library).failures
    result = rmod("verify", data_path(bucket))
    assert result.code == 0, result
    bucket.server.cut = lambda _method, _path: False
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_slow_answers_are_requested_again(
    tiny_manifest: Path, tiny_built: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some answers come only after the client has given up waiting and asked again: the store acts on both requests."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 1.0}})
    monkeypatch.setattr("rmod_pipeline.storage.requests.WRITE_SECONDS", 1.0)
    repeated: dict[str, bool] = {}

    def delay_one_in_ten(method: str, path: str) -> None:
        requests = bucket.server.requests
        count = requests.count((method, path))
        if len(requests) % 5 == 0 and method not in repeated:
            repeated[method] = False
            repeated[method] = wait_until(lambda: requests.count((method, path)) > count)

    bucket.server.fault = delay_one_in_ten
    assert not build(tiny_manifest, data_path(bucket)).failures
    assert repeated.keys() >= {"GET", "HEAD", "PUT"}
    assert all(repeated.values())
    bucket.server.fault = lambda _method, _path: None
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_a_permanent_fault_fails_only_its_shard(tiny_manifest: Path, tiny_built: Path, bucket: Any, rmod: Rmod) -> None:
    bucket.server.fault = lambda method, path: 500 if method == "PUT" and path.endswith("/train-000001.tar") else None
    summary = build(tiny_manifest, data_path(bucket))
    assert [failure.shard for failure in summary.failures] == ["train-000001"]
    assert "failed 8 times" in summary.failures[0].cause
    assert not summary.failures[0].fatal
    assert summary.pairs == {"train": 7, "valid": 2}
    events = [event["event"] for event in read_events(data_path(bucket) / "log")]
    assert "again" in events, "it was tried once more at the end"
    result = rmod("verify", data_path(bucket))
    assert result.code == 1
    assert "1 of 4 shards are not made yet, train-000001 the first" in result.out
    bucket.server.fault = lambda _method, _path: None
    assert build(tiny_manifest, data_path(bucket)).made == 3
    assert bucket.reproducible_files("data") == reproducible_files(tiny_built)


def test_a_missing_bucket_or_object_and_refused_access_are_named(
    bucket: Any, rmod: Rmod, tiny_manifest: Path, recipe: Path, tmp_path: Path
) -> None:
    build_command = ["build", recipe, "--library", tiny_manifest, *BUILD_OPTIONS, "--out"]
    for command in (["show"], ["verify"], ["encode"], build_command):
        result = rmod(*command, "s3://there-is-no-such-bucket/data")
        assert (result.code, "there is no bucket there-is-no-such-bucket" in result.err) == (2, True), result
    result = rmod("show", f"{bucket}/absent")
    assert (result.code, "no data set here" in result.err) == (2, True), result
    result = rmod("build", recipe, "--library", f"{bucket}/absent.csv", "--out", tmp_path / "out")
    assert (result.code, "no such file" in result.err) == (2, True), result
    result = rmod(*build_command, tmp_path / "out", "--codec", f"{bucket}/absent.pth")
    assert (result.code, "no such object" in result.err) == (2, True), result
    result = rmod("preview", f"{bucket}/absent.yaml")
    assert (result.code, "neither a data set's folder nor a recipe" in result.err) == (2, True), result
    bucket.server.fault = lambda method, _path: 403 if method == "PUT" else None
    result = rmod(*build_command, f"{bucket}/data")
    assert (result.code, "access denied" in result.err) == (2, True), result
    bucket.server.fault = lambda _method, _path: 403
    for command in (["show"], ["verify"], build_command):
        result = rmod(*command, f"{bucket}/data")
        assert (result.code, "access denied" in result.err) == (2, True), result
        assert "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


def test_a_missing_network_and_missing_credentials_are_named(
    bucket: Any, monkeypatch: pytest.MonkeyPatch, rmod: Rmod
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nothing listens there
    S3FileSystem.clear_instance_cache()
    result = rmod("show", f"{bucket}/data")
    assert (result.code, "failed 8 times" in result.err, "network" in result.err) == (2, True, True), result
    assert SECRET not in result.err + result.out
    assert "Traceback" not in result.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", bucket.server.endpoint)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    S3FileSystem.clear_instance_cache()
    result = rmod("show", f"{bucket}/data")
    assert (result.code, "no credentials" in result.err) == (2, True), result
    assert "Traceback" not in result.err
