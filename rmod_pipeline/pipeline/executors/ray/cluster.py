"""Connect to a Ray cluster, select its machines, and start the actors of a run."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.pipeline.executors.encoder_processes import MAX_SOCKET_BYTES, RENDERERS_PER_ENCODER, RESTARTS
from rmod_pipeline.pipeline.executors.nodes import node_facts
from rmod_pipeline.pipeline.executors.ray.actors import EncoderActor, ProgressActor
from rmod_pipeline.pipeline.executors.ray.cluster_nodes import ClusterNodes
from rmod_pipeline.pipeline.executors.ray.head_watch import try_connection, watch_head
from rmod_pipeline.pipeline.executors.ray.worker import WorkerPayload, make_shard_task
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import WaitTimes
from rmod_pipeline.shards.fingerprint import DECISIVE_PACKAGES
from rmod_pipeline.shards.layout import ShardPlan

logger = logging.getLogger(__name__)

ENCODER_SECONDS = 600.0
"""How long encoders may take to start: a cluster may have to start a machine for them."""

CONNECT_SECONDS = 10.0
"""How long the head of a cluster may take to accept a connection."""

WAITS_SECONDS = 10.0
"""How long an actor may take to return its wait times."""

CODEC_PACKAGES = ("torch", "descript-audio-codec")
"""Packages whose version can change tokens."""


@contextmanager
def connect(address: str | None, cores: int | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on this machine with a number of cores; afterwards disconnect.

    An existing connection of this process is used and kept. Raises BuildError if there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address and "://" in address:
        submit = "ray job submit --address http://HEAD:8265 -- rmod build RECIPE --library LIBRARY --out OUT"
        hint = f"start the build inside the cluster: {submit}"
        raise BuildError(address, "a build cannot be driven from outside a cluster", hint)
    if address:
        _check_port(address)
    else:
        _check_socket_paths()
    options = {} if address else {"num_cpus": cores, "include_dashboard": False}
    handlers = _signal_handlers()
    try:
        # Without `local`, Ray would use a cluster that was started on this machine before.
        ray.init(address=address or "local", logging_level=logging.WARNING, **options)
    except Exception as error:  # Ray documents none
        with suppress(Exception):
            ray.shutdown()  # what it has started would stay
        raise _no_cluster(address or "ray", error) from error
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray has replaced them
        with watch_head(ray.get_runtime_context().gcs_address):
            yield
    finally:
        ray.shutdown()


def _check_port(address: str) -> None:
    """Raise BuildError if nothing listens at HOST:PORT, because Ray itself would try for ever."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        try_connection(address, CONNECT_SECONDS)
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _check_socket_paths() -> None:
    """Raise BuildError if the folder for temporary files is too long for the sockets that Ray makes in it."""
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    folder = "/tmp" if name == "TMPDIR" and sys.platform == "darwin" else os.environ.get(name, "/tmp")
    socket_name = f"/ray/session_2026-01-01_00-00-00_123456_{os.getpid()}/sockets/plasma_store"
    longest = len(os.fsencode(folder)) + len(socket_name)
    if longest > MAX_SOCKET_BYTES:
        excess = f"{folder} is {longest - MAX_SOCKET_BYTES} bytes too long for the sockets of Ray"
        raise BuildError(name, excess, "set a short one for Ray: RAY_TMPDIR=/tmp; or give --executor local")


def _no_cluster(address: str, error: Exception) -> BuildError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        hint = "let RAY_TMPDIR name a short folder that you can write to, or give --executor local"
    else:
        hint = "give --address HOST:6379 of a running cluster, or --executor local"
    return BuildError(address, f"no Ray cluster: {reason}", hint)


def _signal_handlers() -> dict[signal.Signals, Any]:
    """Return the handlers of the signals that Ray replaces; empty outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@dataclass(slots=True)
class ClusterHandles:
    """The machines, the actors and the worker payload of a run."""

    nodes: ClusterNodes
    progress: Any
    """Handle of the ProgressActor."""
    encoders: list[Any]
    """Handles of the EncoderActors."""
    payload: Any
    """Reference to the WorkerPayload."""
    run_id: str = field(default_factory=lambda: uuid4().hex)

    def submit(self, plan: ShardPlan, try_id: str) -> Any:
        """Submit a shard as a task, and return the task's reference."""
        task = make_shard_task.options(label_selector=self.nodes.label_selector(), name=f"rmod {try_id}")
        return task.remote(self.run_id, [self.payload], plan, try_id)

    def waits(self) -> WaitTimes:
        """Return the times of all workers and encoders that still answer."""
        references = [self.progress.waits.remote(), *(encoder.waits.remote() for encoder in self.encoders)]
        waits = WaitTimes()
        for reference in references:
            with suppress(RayError):
                waits += ray.get(reference, timeout=WAITS_SECONDS)
        return waits

    def close(self) -> None:
        """End the actors."""
        for actor in (self.progress, *self.encoders):
            ray.kill(actor)


def start_cluster_actors(
    job: Job, workers: int | None, encoders: int | None, shard_seconds: float | None
) -> ClusterHandles:
    """Check the machines, and start the progress actor and the encoders. Raises BuildError."""
    packages = [*DECISIVE_PACKAGES, "ray", *(CODEC_PACKAGES if job.encoding else ())]
    files = [str(path.absolute()) for path in job.required_files() if isinstance(path, Path)]
    facts = node_facts(packages, files)
    nodes = ClusterNodes(job.layout.log, facts)
    nodes.update(wait=True)
    driver_node = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"scheduling_strategy": driver_node, "max_restarts": -1, "max_task_retries": -1}
    progress = ray.remote(num_cpus=0)(ProgressActor).options(**options).remote()
    encoder_actors = start_encoders(job.encoding, workers, encoders, nodes) if job.encoding else []
    payload = WorkerPayload(
        job=job,
        facts=facts,
        progress=progress,
        encoders=encoder_actors,
        shard_seconds=shard_seconds,
        log_level=logger.getEffectiveLevel(),
    )
    return ClusterHandles(nodes, progress, encoder_actors, ray.put(payload))


def start_encoders(
    encoding: TokenSettings, workers: int | None, encoders: int | None, nodes: ClusterNodes
) -> list[Any]:
    """Start the encoder actors, wait until they are up, and return their handles. Raises BuildError."""
    if encoding.family.codec["device"] == "cpu":
        cores = min(nodes.cores, workers or nodes.cores)
        count, device, gpus = encoders or max(1, -(-cores // RENDERERS_PER_ENCODER)), "cpu", 0
    else:
        count, device, gpus = encoders or nodes.gpus, "cuda", 1
        if not count:
            hint = "add machines with GPUs; give --encoders if they will come later; or give --device cpu: other tokens"
            raise BuildError("cluster", "no GPUs", hint)
    # Borrowed machines may come and go for hours, so restarts have no limit; the tries of one batch have one.
    lasting = {"max_restarts": -1, "max_task_retries": RESTARTS}
    actor, level = ray.remote(EncoderActor), logger.getEffectiveLevel()
    handles = [
        actor.options(**lasting, **_encoder_options(number, gpus, nodes)).remote(
            encoding.choice, device, nodes.facts, level
        )
        for number in range(count)
    ]
    try:
        ray.get([handle.node.remote() for handle in handles], timeout=ENCODER_SECONDS)
    except GetTimeoutError as error:
        found = f"{count} encoder(s) were not up after {ENCODER_SECONDS:g} s"
        hint = "see `ray status` for what the cluster lacks; give fewer --encoders"
        raise BuildError("cluster", found, hint) from error
    except RayActorError as error:
        found = f"an encoder could not be started: {error}"
        raise BuildError("cluster", found, "see `ray status` and the log of the actor") from error
    return handles


def _encoder_options(number: int, gpus: int, nodes: ClusterNodes) -> dict[str, Any]:
    """Return Ray's options for an encoder: on any machine with a GPU, or spread over the machines with cores.

    On a CPU it reserves no core: when it is started again, workers hold all cores and wait for it.
    """
    if gpus:
        return {"num_gpus": gpus, "num_cpus": 0, "label_selector": nodes.label_selector()}
    if not nodes.with_cores:
        return {"num_cpus": 1, "label_selector": nodes.label_selector()}  # makes the cluster start a machine for it
    node = nodes.with_cores[number % len(nodes.with_cores)]
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)}
