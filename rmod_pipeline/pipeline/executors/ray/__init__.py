"""Run shards on a Ray cluster. Only the modules of this folder import ray.

A shard is a task on one core and an encoder is an actor; the driver handles receipts, never audio. Ray finds free cores
and reports when a worker or its machine is gone. Everything else is as with the other executors: `pipeline/worker.py`
leases, makes and publishes a shard, `pipeline/scheduler.py` retries it.
"""

import os

# Ray hangs under `uv run` unless this is set before ray is imported.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

from rmod_pipeline.pipeline.executors.ray.executor import RayExecutor

__all__ = ["RayExecutor"]
