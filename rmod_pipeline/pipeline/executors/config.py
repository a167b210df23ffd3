"""Configure the executor of a run, and open it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.pipeline.executors import Executor

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeConfig:
    """The executor of a run: processes of this machine, or a Ray cluster."""

    executor: str | None = None
    """``local`` or ``ray``; ``ray`` by default if ``address`` or RAY_ADDRESS names a cluster, else ``local``."""
    address: str | None = None
    """HOST:PORT of a Ray cluster; ``auto`` is the one on this machine."""
    workers: int | None = None
    """Number of shards built at a time. Default: 1; on a cluster, all its cores."""
    encoders: int | None = None
    """Number of encoder processes. Default: all GPUs; on a CPU, one per four workers."""
    shard_minutes: float | None = None
    """A worker that takes longer over one shard is killed, and the shard is tried once more. Default: no limit."""

    def open(self) -> Executor:
        """Return the executor. Raises UsageError for values that do not fit, or if Ray is not installed."""
        if self.workers is not None:
            check_at_least("--workers", self.workers, 1)
        if self.encoders is not None:
            check_at_least("--encoders", self.encoders, 1)
        seconds = (
            None if self.shard_minutes is None else 60 * check_at_least("--shard-minutes", self.shard_minutes, 0.01)
        )
        name = self.executor or (RAY if self.address or os.environ.get("RAY_ADDRESS") else LOCAL)
        if name == LOCAL:
            return self._open_local(seconds)
        if name != RAY:
            found = f"unknown '{name}'{nearest(name, (LOCAL, RAY))}"
            raise UsageError("--executor", found, f"choose {LOCAL} or {RAY}")
        return self._open_ray(seconds)

    def _open_local(self, shard_seconds: float | None) -> Executor:
        if self.address:
            raise UsageError("--address", "is for a Ray cluster", "leave it out, or give --executor ray")
        from rmod_pipeline.pipeline.executors.local import local_executor

        return local_executor(self.workers or 1, self.encoders, shard_seconds)

    def _open_ray(self, shard_seconds: float | None) -> Executor:
        try:
            from rmod_pipeline.pipeline.executors.ray import RayExecutor
        except ModuleNotFoundError as error:
            hint = "pip install 'rmod-pipeline[ray]', or give --executor local"
            raise UsageError("--executor", f"{error.name} is not installed", hint) from error
        return RayExecutor(self.address, self.workers, self.encoders, shard_seconds)


def check_at_least(option: str, value: float, least: float) -> float:
    """Return an option's number. Raises UsageError if it is too small or not finite."""
    if not math.isfinite(value):
        raise UsageError(option, f"{value} is not a finite number", f"give {least} or more")
    if value < least:
        raise UsageError(option, f"{value} is too small", f"give {least} or more")
    return value
