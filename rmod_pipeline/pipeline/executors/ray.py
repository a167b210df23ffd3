"""A Ray cluster: a shard is a task on one processor core, an encoder is an actor, and the driver holds receipts only.

Ray finds a free core, and says when a worker or its machine is gone. All else is as with any other executor: a shard
is claimed, made and published by ``worker.py``, tried again by ``loop.py``. What runs elsewhere is in
``ray_worker.py``; these two modules alone import ray.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

# `uv run` and Ray hang together unless this is said before Ray is imported.
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import ray
from ray import cloudpickle
from ray.exceptions import (
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
)
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.event_log import REFUSED, append_event
from rmod_pipeline.pipeline.executors import Executor, OnPairs, nodes
from rmod_pipeline.pipeline.executors.encoder_processes import RENDERERS_PER_ENCODER, RESTARTS
from rmod_pipeline.pipeline.executors.local import TRIES
from rmod_pipeline.pipeline.executors.ray_worker import (
    EncoderActor,
    NodeRefused,
    ProgressActor,
    WorkerPayload,
    make_shard_task,
    packages,
)
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardFailure, ShardResult, WaitTimes, describe_failure, took_too_long
from rmod_pipeline.shards.fingerprint import DECISIVE_PACKAGES
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
LOOK_SECONDS = 5.0
"""Between two looks at the machines of the cluster: some may have come or gone."""

PROBE_SECONDS = 120.0
"""How long a machine may take to say what it has; its first worker process must start."""

ENCODER_SECONDS = 600.0
"""How long encoders may take to be up: a cluster may have to start a machine for them."""

KNOCK_SECONDS = 10.0
"""How long the head of a cluster may take to answer."""

STOP_SECONDS = 5.0
"""How long workers have to let go of their shards before they end with Ray."""

AHEAD_PER_CORE = 2
"""Tasks handed to Ray for every core, one of them waiting, so that a core that is done goes on at once."""

NODE_ID = "ray.io/node-id"

# So that a machine without rmod, or with another, can answer.
cloudpickle.register_pickle_by_value(nodes)


@dataclass(frozen=True, slots=True)
class RayExecutor(Executor):
    """All machines of a Ray cluster; without an address this one alone."""

    is_remote: ClassVar[bool] = True
    address: str | None = None
    """As ``ray.init`` takes it; by default RAY_ADDRESS, which ``ray job submit`` sets."""
    workers: int | None = None
    """Shards made at a time; by default as many as there are cores."""
    encoders: int | None = None
    """By default all GPUs, or on processors one for four workers."""
    shard_seconds: float | None = None
    """How long a shard may take; a worker that takes longer is killed."""

    def run(self, plans: Sequence[ShardPlan], work: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards on whatever cores there are; those whose worker or machine died are begun again."""
        cores = self.workers and self.workers + (self.encoders or -(-self.workers // RENDERERS_PER_ENCODER))
        with _connected(self.address, cores), closing(_ClusterHandles.hire(self, work)) as crew:
            yield from _RayRun(self, crew, plans, on_pairs).results()
            yield crew.waits()


@contextmanager
def _connected(address: str | None, cores: int | None) -> Iterator[None]:
    """Connect to a cluster, or start Ray on so many cores of this machine if none is named; leave it as it was."""
    if ray.is_initialized():
        yield
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address and "://" in address:
        hint = "start the build inside the cluster: ray job submit --address http://HEAD:8265 -- rmod build ..."
        raise BuildError(address, "is not where a build can be driven from", hint)
    if address:
        _knock(address)
    alone = {} if address else {"num_cpus": cores, "include_dashboard": False}
    handlers = _signal_handlers()
    try:
        # `local`, because without a word Ray takes a cluster that was started on this machine at some time.
        ray.init(address=address or "local", logging_level=logging.WARNING, **alone)
    except (ConnectionError, ValueError, RuntimeError) as error:
        hint = "give --address HOST:6379 of a cluster that runs, or --executor local"
        raise BuildError(address or "ray", f"no Ray cluster: {error}", hint) from error
    try:
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray has put its own there
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raise BuildError where nothing answers at HOST:PORT: Ray itself would go on asking for ever."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        hint = "give --address HOST:6379 of a cluster that runs, or --executor local"
        raise BuildError(address, f"no Ray cluster: {error}", hint) from error


def _signal_handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


@dataclass(slots=True)
class _Machines:
    """The machines of a cluster: who may take part, and how many cores they have."""

    work: Job
    facts: Mapping[str, str]
    refused: dict[str, str] = field(default_factory=dict)
    """Machines that may take no part, each with the reason."""
    _asked: dict[str, Any] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    homes: list[str] = field(default_factory=list)
    """Those that may take part and have cores."""
    cores: int = 0
    gpus: int = 0
    _looked: float = 0.0

    def look(self, wait: bool = False) -> None:
        """See who has come and who has gone, and ask those that are new what they have. Raises BuildError if no machine
        may take part."""
        if not wait and time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for name, node in alive.items():
            if name not in self._asked:
                self._names[name] = f"{node['NodeManagerAddress']} ({name[:8]})"
                self._asked[name] = self._ask(name)
        self._hear([name for name in alive if name not in self.refused], PROBE_SECONDS if wait else 0)
        good = [node["Resources"] for name, node in alive.items() if name not in self.refused]
        self.homes = [name for name, node in alive.items() if name not in self.refused and node["Resources"].get("CPU")]
        self.cores = int(sum(resources.get("CPU", 0) for resources in good))
        self.gpus = int(sum(resources.get("GPU", 0) for resources in good))
        if wait and not self.cores:
            logger.warning("the cluster has no cores yet: the build waits for them")
        if not self.cores and any(name in self.refused for name in alive):
            said = "\n  ".join(f"{self._names[name]}: {why}" for name, why in self.refused.items())
            hint = "mend what is named; docker/ gives all machines one image"
            raise BuildError("cluster", f"no machine can take part:\n  {said}", hint)

    def refuse(self, node: str, why: str) -> None:
        """Leave a machine out from now on."""
        if node in self.refused:
            return
        self.refused[node] = why
        name = self._names.get(node, node[:8])
        logger.warning("%s takes no part: %s", name, why)
        append_event(self.work.layout.log, REFUSED, node=name, cause=why)

    def allowed(self) -> dict[str, str]:
        """Return which machines a task may run on, for Ray."""
        return {NODE_ID: f"!in({','.join(self.refused)})"} if self.refused else {}

    def _ask(self, node: str) -> Any:
        here = NodeAffinitySchedulingStrategy(node, soft=False)
        ask = ray.remote(num_cpus=0, max_retries=1)(nodes.node_facts).options(scheduling_strategy=here)
        files = [name for name in self.facts if name.startswith("/")]
        return ask.remote([name for name in packages() if name in self.facts], files)

    def _hear(self, names: Iterable[str], seconds: float) -> None:
        asked = {name: self._asked[name] for name in names if self._asked[name] is not None}
        if not asked:
            return
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
        for name, reference in asked.items():
            try:
                why = nodes.node_complaints(ray.get(reference, timeout=0), self.facts)
            except GetTimeoutError:
                if not seconds:
                    continue  # not yet
                why = f"gave no answer in {PROBE_SECONDS:g} s"
            except RayTaskError as error:
                why = str(error.cause)
            except RuntimeEnvSetupError as error:
                why = str(error)
            except RayError:
                continue  # it has gone again
            self._asked[name] = None
            if why:
                self.refuse(name, why)


@dataclass(slots=True)
class _ClusterHandles:
    """What a run has in the cluster besides its tasks."""

    machines: _Machines
    tally: Any
    encoders: list[Any]
    ticket: Any
    name: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def hire(cls, executor: RayExecutor, work: Job) -> _ClusterHandles:
        """Look at the machines, start the encoders and wait until they are up. Raises BuildError."""
        names = packages() if work.encoding else [*DECISIVE_PACKAGES, "ray"]
        files = [str(place.absolute()) for place in work.needed() if isinstance(place, Path)]
        facts = nodes.node_facts(names, files)
        machines = _Machines(work, facts)
        machines.look(wait=True)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        lasting = {"max_restarts": -1, "max_task_retries": -1}
        tally = ray.remote(num_cpus=0)(ProgressActor).options(scheduling_strategy=here, **lasting).remote()
        encoders = _start_encoders(executor, work, machines)
        level = logger.getEffectiveLevel()
        ticket = WorkerPayload(
            work=work, facts=facts, tally=tally, encoders=encoders, shard_seconds=executor.shard_seconds, level=level
        )
        return cls(machines, tally, encoders, ray.put(ticket))

    def submit(self, plan: ShardPlan, begun: str) -> Any:
        """Hand a shard to Ray."""
        task = make_shard_task.options(label_selector=self.machines.allowed(), name=f"rmod {begun}")
        return task.remote(self.name, [self.ticket], plan, begun)

    def waits(self) -> WaitTimes:
        """Return how long workers and encoders were there, and stood still for each other."""
        told = [self.tally.waits.remote(), *(encoder.waits.remote() for encoder in self.encoders)]
        waits = WaitTimes()
        for each in told:
            with suppress(RayError):
                waits += ray.get(each, timeout=POLL_SECONDS * 40)
        return waits

    def close(self) -> None:
        """Let the actors go."""
        for actor in (self.tally, *self.encoders):
            ray.kill(actor)


def _start_encoders(executor: RayExecutor, work: Job, machines: _Machines) -> list[Any]:
    """Start the encoders of a build that makes tokens. Raises BuildError if there is no room for them."""
    if work.encoding is None:
        return []
    choice = work.encoding.choice
    if work.encoding.family.codec["device"] == "cpu":
        cores = min(machines.cores, executor.workers or machines.cores)
        count, device, gpus = executor.encoders or max(1, -(-cores // RENDERERS_PER_ENCODER)), "cpu", 0
    else:
        count, device, gpus = executor.encoders or machines.gpus, "cuda", 1
        if not count:
            hint = "add machines with GPUs; say how many will come by --encoders; or give --device cpu: other tokens"
            raise BuildError("cluster", "no GPUs there", hint)
    # Machines that are lent go and come all night: what has a bound is how often one batch is tried.
    lasting = {"max_restarts": -1, "max_task_retries": RESTARTS}
    kind, level = ray.remote(EncoderActor), logger.getEffectiveLevel()
    encoders = [
        kind.options(**lasting, **_place_of(number, gpus, machines)).remote(choice, device, machines.facts, level)
        for number in range(count)
    ]
    try:
        ray.get([encoder.node.remote() for encoder in encoders], timeout=ENCODER_SECONDS)
    except GetTimeoutError as error:
        found = f"{count} encoder(s) were not up after {ENCODER_SECONDS:g} s"
        raise BuildError(
            "cluster", found, "see `ray status` for what the cluster lacks; give fewer --encoders"
        ) from error
    except RayActorError as error:
        found = f"an encoder could not be started: {error}"
        raise BuildError("cluster", found, "see `ray status` and the log of the actor") from error
    return encoders


def _place_of(number: int, gpus: int, machines: _Machines) -> dict[str, Any]:
    """Return, for Ray, where an encoder is to be: with a GPU, or else dealt out over the machines that have cores.

    It gets no core of its own: when it has to be started again, workers hold them all, and wait for it.
    """
    if gpus:
        return {"num_gpus": gpus, "num_cpus": 0, "label_selector": machines.allowed()}
    if not machines.homes:
        return {"num_cpus": 1, "label_selector": machines.allowed()}  # so that a machine is started for it
    home = machines.homes[number % len(machines.homes)]
    return {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(home, soft=True)}


@dataclass(slots=True)
class _RayRun:
    """One pass over some shards: hand out, wait, take what came of it."""

    executor: RayExecutor
    crew: _ClusterHandles
    plans: Sequence[ShardPlan]
    on_pairs: OnPairs
    running: dict[Any, tuple[ShardPlan, str]] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    """Of shards whose worker died."""
    since: dict[str, float] = field(default_factory=dict)
    """When each shard under way was begun."""
    finished: int = 0
    told: int = 0
    _asked: float = 0.0

    def results(self) -> Iterator[ShardResult]:
        """Yield what came of each shard."""
        waiting = deque(self.plans)
        try:
            while waiting or self.running:
                self.crew.machines.look()
                while waiting and len(self.running) < self._most():
                    self._hand_out(waiting.popleft())
                for reference in self._done():
                    plan, begun = self.running.pop(reference)
                    result = self._result(reference, plan, begun)
                    if result is None:
                        waiting.appendleft(plan)
                    else:
                        yield result
                self._look()
        finally:
            self._stop()

    def _most(self) -> int:
        """Return how many tasks may be with Ray."""
        return self.executor.workers or max(1, AHEAD_PER_CORE * self.crew.machines.cores)

    def _hand_out(self, plan: ShardPlan) -> None:
        begun = f"{plan.name} {self.tries.get(plan.name, 0)}"
        self.running[self.crew.submit(plan, begun)] = plan, begun

    def _done(self) -> list[Any]:
        """Return the tasks that are done, after a while if there are none."""
        references = list(self.running)
        ray.wait(references, num_returns=1, timeout=POLL_SECONDS)
        return ray.wait(references, num_returns=len(references), timeout=0)[0]

    def _result(self, reference: Any, plan: ShardPlan, begun: str) -> ShardResult | None:
        """Return what came of a shard; None if it is to be begun again."""
        try:
            result = ray.get(reference)
        except RayTaskError as error:
            failure = describe_failure(plan.name, error.cause if isinstance(error.cause, Exception) else error)
            return replace(failure, detail=str(error)) if failure.detail else failure  # it has the frames of over there
        except RuntimeEnvSetupError as error:
            return ShardFailure(shard=plan.name, cause=f"the job's environment cannot be set up: {error}", fatal=True)
        except RayError as error:
            return self._died(plan, begun, error)
        if isinstance(result, NodeRefused):
            self.crew.machines.refuse(result.node, result.why)
            return None
        self.finished += result.count if isinstance(result, Receipt) else 0
        return result

    def _died(self, plan: ShardPlan, begun: str, error: RayError) -> ShardResult | None:
        """Return what came of a shard whose worker is gone: nothing yet, if it may be begun again."""
        limit, now = self.executor.shard_seconds, time.monotonic()
        if limit and now - self.since.get(begun, now) >= limit:
            return took_too_long(plan.name, limit)
        tries = self.tries[plan.name] = self.tries.get(plan.name, 0) + 1
        said = str(error).partition("\n")[0]
        if tries < TRIES:
            logger.warning("%s is begun again: %s", plan.name, said)
            return None
        return ShardFailure(shard=plan.name, cause=f"its worker died {TRIES} times, at last so: {said}")

    def _look(self) -> None:
        """Tell of pairs."""
        if time.monotonic() - self._asked < POLL_SECONDS * 2 and self.running:
            return
        self._asked = time.monotonic()
        pairs, seconds = ray.get(self.crew.tally.look.remote({begun for _, begun in self.running.values()}))
        now = time.monotonic()
        self.since = {begun: now - ago for begun, ago in seconds.items()}
        self.on_pairs(self.finished + pairs - self.told)
        self.told = self.finished + pairs

    def _stop(self) -> None:
        """End what is under way between two pairs, so that it lets go of its shard; what does not hear goes with Ray.

        Not by ``ray.cancel``: of a task that ends at that moment, Ray 2.60 ends the driver.
        """
        if self.running:
            self.crew.tally.stop.remote()
            ray.wait(list(self.running), num_returns=len(self.running), timeout=STOP_SECONDS)
