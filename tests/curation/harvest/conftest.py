"""Fixtures of the tests of harvests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.curation.harvest.results import Harvest
from tests.curation.harvest.drum_songs import make_loop, write_song
from tests.curation.harvest.harvest_runs import run


@pytest.fixture(scope="package")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three loops at two rates, one of them in a subfolder and stereo."""
    folder = tmp_path_factory.mktemp("songs")
    write_song(folder / "a loop.wav", make_loop(1))
    write_song(folder / "b.wav", make_loop(2, rate=48_000), 48_000, "PCM_24")
    stereo = make_loop(3)
    write_song(folder / "more" / "c.wav", np.concatenate([stereo, stereo * np.float32(0.5)]))
    return folder


@pytest.fixture(scope="package")
def done(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Harvest]:
    """A finished harvest of the three loops."""
    out = tmp_path_factory.mktemp("done") / "hits"
    return out, run(songs, out)
