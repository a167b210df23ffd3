"""Fixtures of the codec tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a random codec whose tokens have the shape of a real codec."""
    from tests.tiny_codec import save_tiny

    return save_tiny(tmp_path_factory.mktemp("codec") / "tiny.pth")
