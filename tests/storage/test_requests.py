"""A request is retried while its failure may be temporary; other failures are reported at once."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from rmod_pipeline.errors import RmodError
from rmod_pipeline.storage import StoreError, StorePath
from rmod_pipeline.storage.requests import TRIES
from tests.storage.conftest import FailingStore


def test_a_temporary_failure_is_retried(failing: Callable[..., FailingStore], root: StorePath) -> None:
    store = failing(OSError(errno.EBUSY, "slow down"), failures=TRIES - 1)
    assert root.read_bytes() == b"content"
    assert store.requests == TRIES


def test_a_repeated_failure_is_reported_with_a_hint(failing: Callable[..., FailingStore], root: StorePath) -> None:
    failing(TimeoutError("no answer"))
    with pytest.raises(StoreError, match="failed 8 times: no answer") as error:
        root.read_bytes()
    assert "network" in error.value.hint
    assert isinstance(error.value, RmodError)


@pytest.mark.parametrize(
    "error",
    [PermissionError("no"), FileNotFoundError("no"), ImportError("no"), ValueError("Invalid endpoint: htp://x")],
)
def test_a_permanent_failure_is_not_retried(
    failing: Callable[..., FailingStore], root: StorePath, error: Exception
) -> None:
    store = failing(error)
    with pytest.raises((StoreError, FileNotFoundError)):
        root.read_bytes()
    assert store.requests == 1


@pytest.mark.parametrize("error", [NotImplementedError(), OSError(errno.ENOSYS, "not implemented"), TypeError("mode")])
def test_create_works_on_a_store_without_conditional_writes(
    failing: Callable[..., FailingStore], root: StorePath, error: Exception
) -> None:
    store = failing(error)
    assert root.create(b"new")
    assert (store.content, store.requests) == (b"new", 2)


def test_a_full_local_disk_is_not_a_failure_of_the_store(
    failing: Callable[..., FailingStore], root: StorePath, own_cache: Path
) -> None:
    store = failing(OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        root.fetch(own_cache)
    assert store.requests == 1


def test_messages_contain_no_secret_of_the_environment(
    failing: Callable[..., FailingStore], root: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter22hunter22")
    failing(PermissionError("bad signature of hunter22hunter22"))
    with pytest.raises(StoreError) as error:
        root.read_bytes()
    assert "hunter22" not in str(error.value)


def test_create_leaves_an_object_on_a_store_without_conditional_writes(
    failing: Callable[..., FailingStore], root: StorePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = failing(TypeError("unexpected keyword argument 'mode'"))
    monkeypatch.setattr(StorePath, "is_file", lambda _: True)
    assert not (root / "a").create(b"mine")
    assert not hasattr(store, "content")
