"""A full disk ends a build with a message, and leaves neither drafts nor damaged shards."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.shards.layout import Layout
from tests.cli.bad_input import make_world
from tests.cli.bad_input_world import FOUND, World
from tests.cli.small_disk import InjectedDisk, MountedDisk, SmallDisk
from tests.tiny_build import PATIENCE_SECONDS, list_drafts, reproducible_files, start_rmod

Rmod = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path, cache: Path) -> World:
    return make_world(tmp_path)


@pytest.fixture(params=["injected", "mounted"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A disk with room for half of the tiny data set."""
    folder = tmp_path / "disk"
    folder.mkdir()
    disk = MountedDisk(folder) if request.param == "mounted" else InjectedDisk(folder, monkeypatch)
    yield disk
    disk.close()


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_ends_the_build_and_more_room_lets_it_resume(
    workers: int, small_disk: SmallDisk, world: World, tiny_built: Path, rmod: Rmod
) -> None:
    out = small_disk.folder / "out"
    command = world.build("--no-space-check", "--workers", workers, out=out)
    result = rmod(*command)
    assert result.code == FOUND
    assert "the disk is full" in result.err
    assert "free some space" in result.err
    assert "Traceback" not in result.err
    assert result.err.count("the disk is full") <= 2 * workers, "every other shard would only repeat it"
    assert not list_drafts(out)
    assert len(Layout(out).receipts()) < 5
    assert rmod("verify", out, "--compare", 0).out.count("not as") == 0
    small_disk.enlarge()
    assert rmod(*command).code == 0
    assert reproducible_files(out) == reproducible_files(tiny_built)


def test_a_disk_that_is_full_from_the_start_is_named(small_disk: SmallDisk, world: World, rmod: Rmod) -> None:
    small_disk.fill()
    result = rmod(*world.build("--no-space-check", out=small_disk.folder / "out"))
    assert result.code == 2
    assert "cannot be written: No space left on device" in result.err
    assert "Traceback" not in result.err
    assert rmod(*world.build(out=small_disk.folder / "out")).code == 2


def test_a_limit_on_the_size_of_files_is_named(world: World) -> None:
    run = start_rmod(world.build(), preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)))
    _, err = run.communicate(timeout=PATIENCE_SECONDS)
    assert run.returncode == FOUND
    assert "a file grows larger than this disk or your limits allow" in err
    assert "choose a smaller --shard-size" in err
    assert "Traceback" not in err
