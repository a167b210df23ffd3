"""Fixtures for the tests of storage: a store in memory, a store that fails, and a cache folder per test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from rmod_pipeline.storage import StorePath


@pytest.fixture
def root() -> StorePath:
    """An empty address on a store in memory."""
    return StorePath(f"memory://bucket-{uuid4().hex}/data")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for one test alone."""
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class FailingStore:
    """A store that fails a number of times before it answers, and counts the requests."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error, self.failures, self.requests = error, failures, 0

    def _strip_protocol(self, address: str) -> str:
        return address

    def info(self, address: str) -> dict[str, Any]:
        raise FileNotFoundError(address)

    def pipe_file(self, _: str, content: bytes, **options: str) -> None:
        """Fail if the write is conditional, else keep the content."""
        self.requests += 1
        if options:
            raise self.error
        self.content = content

    def cat_file(self, _: str) -> bytes:
        self.requests += 1
        if self.requests <= self.failures:
            raise self.error
        return b"content"

    def get_file(self, *_: str) -> None:
        self.requests += 1
        raise self.error


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FailingStore]:
    """Replace every store by one that fails with an error, and retry without pauses."""

    def replace_store(error: Exception, failures: int = 1000) -> FailingStore:
        store = FailingStore(error, failures)
        monkeypatch.setattr("rmod_pipeline.storage.store_path.open_store", lambda _: store)
        monkeypatch.setattr("rmod_pipeline.storage.requests.FIRST_PAUSE_SECONDS", 0.0)
        return store

    return replace_store
