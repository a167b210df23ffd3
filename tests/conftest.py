"""What many tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A test that draws other examples on every run would fail on somebody else's change.
settings.register_profile("rmod", derandomize=True, deadline=None)
settings.load_profile("rmod")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this run: no test sees a user's, and all of its processes share the built-in kit."""
    root = tmp_path_factory.getbasetemp()
    folder = (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "cache"
    before = os.environ.get("RMOD_CACHE")
    os.environ["RMOD_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["RMOD_CACHE"]
    else:
        os.environ["RMOD_CACHE"] = before


@pytest.fixture(scope="session")
def real_library_folder() -> Path:
    """A folder of real recordings: ``library.csv`` with columns path, kind, kit, and the files that it names."""
    name = os.environ.get("RMOD_REAL_LIBRARY")
    if not name:
        pytest.skip("RMOD_REAL_LIBRARY names no folder of real recordings")
    folder = Path(name)
    # A name that is wrong must not pass for none.
    assert (folder / "library.csv").is_file(), f"RMOD_REAL_LIBRARY is {name}, but there is no library.csv in it"
    return folder
