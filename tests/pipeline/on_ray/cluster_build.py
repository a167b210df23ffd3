"""Start builds on the cluster of these tests, and act while they run."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

from rmod_pipeline.pipeline.scheduler import BuildProgress
from tests.tiny_build import RECIPE, command_line

LARGER: dict[str, Any] = {"counts": {"train": 120}, "shard_size": 5}


def larger_command(manifest: Path, folder: Path, *options: object) -> list[object]:
    """Return the arguments of `rmod` that build the larger data set in the folder `out`."""
    (folder / "tiny.yaml").write_text(RECIPE)
    arguments = ["build", folder / "tiny.yaml", "--library", manifest, "--out", folder / "out"]
    return [*arguments, "--pairs", "train=120", "--shard-size", 5, *options]


def connect_with(cluster: Cluster, **variables: str) -> None:
    """Connect to the cluster so that its workers have these environment variables."""
    ray.init(address=cluster.address, runtime_env={"env_vars": variables}, log_to_driver=False)


def ray_processes(title: str) -> list[int]:
    """Return the ids of the processes whose title contains a text."""
    table = subprocess.run(["ps", "-A", "-o", "pid="], capture_output=True, text=True, check=True).stdout
    return [int(process) for process in table.split() if title in command_line(int(process))]


@dataclass
class ActAtPairs(BuildProgress):
    """Call a function once, when a number of pairs is made."""

    action: Callable[[], None] = lambda: None
    after: int = 1
    made: int = 0
    acted: bool = False

    def advance(self, pairs: int) -> None:
        self.made += pairs
        if self.made >= self.after and not self.acted:
            self.acted = True
            self.action()
