"""A Ray cluster: a shard is a task on one processor core, an encoder is an actor, and the driver holds receipts only.

Ray finds a free core, and says when a worker or its machine is gone. All else is as with any other executor: a shard
is claimed, made and published by ``worker.py``, tried again by ``loop.py``. The only module that imports ray.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
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
    ActorUnavailableError,
    GetTimeoutError,
    RayActorError,
    RayError,
    RayTaskError,
    RuntimeEnvSetupError,
)
from ray.util.metrics import Counter
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rmod_pipeline.build.encoding import Encode, Timed
from rmod_pipeline.build.executors import OnPairs, nodes
from rmod_pipeline.build.executors.encoders import ENDS, RENDERERS_PER_ENCODER, RESTARTS, open_here
from rmod_pipeline.build.executors.local import TRIES
from rmod_pipeline.build.log import REFUSED, append_event
from rmod_pipeline.build.making import begin_log
from rmod_pipeline.build.outcome import Elsewhere, Failure, Result, Waits, failure_of, took_too_long
from rmod_pipeline.build.work import Work
from rmod_pipeline.build.worker import Worker
from rmod_pipeline.codec import Choice, CodecError, Tokens
from rmod_pipeline.codec.codec import AudioBatch
from rmod_pipeline.errors import BuildError, RmodError
from rmod_pipeline.shards.fingerprint import DECISIVE
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import StoreError, StorePath

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
TELL_SECONDS = 1.0
"""Between two words of a worker about the pairs it has made; what it hears is an answer to the last but one."""

LOOK_SECONDS = 5.0
"""Between two looks at the machines of the cluster: some may have come or gone."""

PROBE_SECONDS = 120.0
"""How long a machine may take to say what it has; its first worker process must start."""

ENCODER_SECONDS = 600.0
"""How long encoders may take to be up: a cluster may have to start a machine for them."""

LOOK_AGAIN_SECONDS = 5.0
"""After which a file that could not be read must be read, or its machine is left out."""

STOP_SECONDS = 5.0
"""How long workers have to let go of their shards before they end with Ray."""

AHEAD_PER_CORE = 2
"""Tasks handed to Ray for every core, one of them waiting, so that a core that is done goes on at once."""

NODE_ID = "ray.io/node-id"

# So that a machine without rmod, or with another, can answer.
cloudpickle.register_pickle_by_value(nodes)


@dataclass(frozen=True, slots=True)
class RayCluster:
    """All machines of a Ray cluster; without an address this one alone."""

    elsewhere: ClassVar[bool] = True
    address: str | None = None
    """As ``ray.init`` takes it; by default RAY_ADDRESS, which ``ray job submit`` sets."""
    workers: int | None = None
    """Shards made at a time; by default as many as there are cores."""
    encoders: int | None = None
    """By default all GPUs, or on processors one for four workers."""
    shard_seconds: float | None = None
    """How long a shard may take; a worker that takes longer is killed."""

    def run(self, plans: Sequence[ShardPlan], work: Work, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards on whatever cores there are; those whose worker or machine died are begun again."""
        cores = self.workers and self.workers + (self.encoders or -(-self.workers // RENDERERS_PER_ENCODER))
        with _connected(self.address, cores), closing(_Crew.hire(self, work)) as crew:
            yield from _Run(self, crew, plans, on_pairs).results()
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


def _signal_handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}


# ---------------------------------------------------------------------------------------------------------------------
# What runs elsewhere in the cluster.


@dataclass(frozen=True, slots=True)
class _Ticket:
    """What a worker process needs for all shards of a run: fetched once by each."""

    work: Work
    facts: Mapping[str, str]
    """What the driver's machine has."""
    tally: Any
    encoders: Sequence[Any]
    shard_seconds: float | None
    level: int
    """Of the log."""


class _Stopped(BaseException):
    """The driver wants no more pairs; no failure of a shard."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """A machine may not take part."""

    node: str
    why: str


class _Tally:
    """Knows what is under way: workers tell it, the driver asks it."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._pairs: dict[str, int] = {}
        self._waits: dict[str, Waits] = {}
        self._joined = 0
        self._stopped = False

    def join(self) -> int:
        """Return a number of a worker process's own."""
        self._joined += 1
        return self._joined - 1

    def tell(self, begun: str, pairs: int) -> bool:
        """Take how many pairs of a shard are made, none at its beginning; return whether to go on.

        ``begun`` names the shard and which time.
        """
        self._begun.setdefault(begun, time.monotonic())
        self._pairs[begun] = pairs
        return not self._stopped

    def stop(self) -> None:
        """Have workers stop when they next tell of pairs."""
        self._stopped = True

    def end(self, worker: str, waits: Waits) -> None:
        """Take how long a worker has taken over all of its shards."""
        self._waits[worker] = waits

    def look(self, under_way: set[str]) -> tuple[int, dict[str, float]]:
        """Return the pairs made of what is under way, and for how many seconds each shard has been."""
        self._begun = {begun: since for begun, since in self._begun.items() if begun in under_way}
        self._pairs = {begun: pairs for begun, pairs in self._pairs.items() if begun in under_way}
        now = time.monotonic()
        return sum(self._pairs.values()), {begun: now - since for begun, since in self._begun.items()}

    def waits(self) -> Waits:
        """Return how long all workers took, and how much of it they waited."""
        return sum(self._waits.values(), Waits())


class _Encoder:
    """A codec on a GPU of its own, or on one core."""

    def __init__(self, choice: Choice, device: str, facts: Mapping[str, str], level: int) -> None:
        begin_log(level)
        why = nodes.complaints(_facts_of(facts), facts)
        if why:
            # Started again, it may have come to a machine that nobody has asked: its tokens would be others.
            logger.critical("no encoder here, but elsewhere perhaps: %s", why)
            time.sleep(LOOK_SECONDS)
            os._exit(1)
        self._encode = Timed(open_here(choice, device))
        self._metrics = _Metrics()
        self._told = 0.0

    def node(self) -> str:
        """Return the machine that it is on, once it is up."""
        return str(ray.get_runtime_context().get_node_id())

    def encode(self, audio: AudioBatch) -> Tokens | CodecError:
        """Return a batch's tokens, or why there are none; of what is no CodecError the process ends."""
        try:
            return self._encode(audio)
        except CodecError as error:
            return error
        except Exception:
            logger.critical(ENDS, exc_info=True)
            os._exit(1)
        finally:
            self._metrics.encoder_waits.inc(self._encode.waited - self._told)
            self._told = self._encode.waited

    def waits(self) -> Waits:
        """Return how long it was there, and how much of that it waited."""
        return self._encode.waits


class _Metrics:
    """What Prometheus can read of every machine, as ``ray_rmod_pairs_total`` and so on."""

    def __init__(self) -> None:
        self.pairs = Counter("rmod_pairs", "Pairs made, those of shards that came to nothing too.")
        self.rejects = Counter("rmod_rejects", "Pairs that ought not to be, by reason.", tag_keys=("reason",))
        self.shards = Counter("rmod_shards", "Shards, by what came of them.", tag_keys=("result",))
        self.worker_waits = Counter("rmod_worker_wait_seconds", "Seconds that workers waited for an encoder.")
        self.encoder_waits = Counter("rmod_encoder_wait_seconds", "Seconds that encoders waited for workers.")

    def take(self, result: Result, waited: float) -> None:
        """Count what came of a shard."""
        self.shards.inc(1, {"result": type(result).__name__.lower()})
        for reason, count in result.rejects.items() if isinstance(result, Receipt) else ():
            self.rejects.inc(count, {"reason": reason})
        if waited > 0:
            self.worker_waits.inc(waited)


class _Bench:
    """What a worker process keeps between the shards of a run: sounds, the way to an encoder, what it has told."""

    def __init__(self, ticket: _Ticket) -> None:
        self.ticket, self._tally, self._limit = ticket, ticket.tally, ticket.shard_seconds
        self._metrics = _Metrics()
        place = ray.get(self._tally.join.remote())
        encode = _through(ticket.encoders[place % len(ticket.encoders)]) if ticket.encoders else None
        self._worker = Worker(ticket.work.open(encode), ticket.work.layout, self._on_pairs)
        self._name = f"{ray.get_runtime_context().get_worker_id()}"
        self._begun, self._pairs = "", 0
        self._asked: Any = None
        self._told = 0.0

    def run(self, plan: ShardPlan, begun: str) -> Result:
        """Make a shard."""
        self._begun, self._pairs, before = begun, 0, self._worker.waits.for_encoders
        self._told, self._asked = time.monotonic(), None
        if not ray.get(self._tally.tell.remote(begun, 0)):
            return Elsewhere(shard=plan.name)
        with _limited(self._limit), suppress(_Stopped):
            return self._told_of(self._worker.run(plan), before)
        return Elsewhere(shard=plan.name)

    def _told_of(self, result: Result, before: float) -> Result:
        waits = self._worker.waits
        self._metrics.take(result, waits.for_encoders - before)
        ray.get(self._tally.end.remote(self._name, waits))
        return result

    def close(self) -> None:
        """Let go of what was opened."""
        self._worker.close()

    def _on_pairs(self, pairs: int) -> None:
        self._pairs += pairs
        if pairs > 0:
            self._metrics.pairs.inc(pairs)
        if time.monotonic() - self._told >= TELL_SECONDS:
            # The answer is read when there is more to tell: nobody waits for it.
            if self._asked is not None and not ray.get(self._asked):
                raise _Stopped
            self._told = time.monotonic()
            self._asked = self._tally.tell.remote(self._begun, self._pairs)


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Kill this process if it is at it for longer: from outside of Python, which what hangs may never come back to."""
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


_bench: dict[str, _Bench] = {}  # Ray hands a worker process its state no other way; one run's at a time


@ray.remote(num_cpus=1, max_retries=0)  # the driver counts the tries
def _make(run: str, held: Sequence[Any], plan: ShardPlan, begun: str) -> Result | _Refused:
    # Within a list a reference is no argument to be fetched for every shard.
    ticket: _Ticket = _bench[run].ticket if run in _bench else ray.get(held[0])
    if run not in _bench:
        while _bench:
            _bench.popitem()[1].close()
        begin_log(ticket.level)
        why = nodes.complaints(_facts_of(ticket.facts), ticket.facts) or _unreachable(ticket.work)
        if why:
            return _refused(why)
        _bench[run] = _Bench(ticket)
    why = _blind(ticket)
    if why:
        return _refused(why)
    result = _bench[run].run(plan, begun)
    why = _fault_of_machine(result, ticket) if isinstance(result, Failure) else ""
    return _refused(why) if why else result


def _fault_of_machine(failure: Failure, ticket: _Ticket) -> str:
    """Say why other shards would fail on this machine too, faster than others make them; nothing if they would not."""
    if failure.machine:
        return failure.cause
    return _lost(ticket) if failure.again else ""


def _refused(why: str) -> _Refused:
    return _Refused(node=str(ray.get_runtime_context().get_node_id()), why=why)


def _blind(ticket: _Ticket) -> str:
    """Say that OUT is gone from this machine: where its disk was mounted, shards would be made for nobody."""
    build = ticket.work.layout.build
    known = isinstance(build, Path) and str(build.absolute()) in ticket.facts
    return _lost(ticket) if known and not build.exists() else ""


def _lost(ticket: _Ticket) -> str:
    """Say what this machine could read when it began and cannot any more; nothing for what passes in some seconds."""
    files = {name: digest for name, digest in ticket.facts.items() if name.startswith("/")}
    if _unread(files):
        time.sleep(LOOK_AGAIN_SECONDS)
    return _unread(files) or _unreachable(ticket.work)


def _unread(files: Mapping[str, str]) -> str:
    """Say which files cannot be read; one that is another by now is the same on all machines."""
    there = nodes.facts([], files)
    return nodes.complaints(there, {name: digest for name, digest in files.items() if there[name] == nodes.MISSING})


def _unreachable(work: Work) -> str:
    """Say why this machine can read none of what lies on a store; nothing if it can, or if it may later."""
    for place in work.needed():
        try:
            if isinstance(place, StorePath):
                place.read_bytes()
        except FileNotFoundError as error:
            if place == work.layout.build:  # another store answers to that name; a sound that is gone is gone for all
                return str(error)
        except StoreError as error:
            if _lasting(error):
                return str(error)
        except (RmodError, OSError) as error:
            return str(error)
    return ""


def _lasting(error: StoreError) -> bool:
    """Return whether a store's trouble is this machine's: no credentials, for instance, and not an outage."""
    return not error.found.startswith("failed ")


def _through(encoder: Any) -> Encode:
    """Return the way to an encoder. A batch crosses once: it is put where the encoder reads it."""

    def encode(audio: AudioBatch) -> Tokens:
        try:
            answer = ray.get(encoder.encode.remote(audio))
        except RayActorError as error:
            lost = isinstance(error, ActorUnavailableError)
            found = f"lost {RESTARTS + 1} times over one batch" if lost else "gone for good"
            hint = "look at its log, and at the memory of its machine and GPU: a smaller --batch needs less"
            raise CodecError("encoder", f"{found}: {error}", hint) from error
        if isinstance(answer, CodecError):
            raise answer
        return answer

    return encode


def _facts_of(expected: Mapping[str, str]) -> dict[str, str]:
    files = [name for name in expected if name.startswith("/")]
    return nodes.facts((name for name in _packages() if name in expected), files)


def _packages() -> list[str]:
    return [*DECISIVE, "ray", "torch", "descript-audio-codec"]


# ---------------------------------------------------------------------------------------------------------------------
# The driver's side.


@dataclass(slots=True)
class _Machines:
    """The machines of a cluster: who may take part, and how many cores they have."""

    work: Work
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
        ask = ray.remote(num_cpus=0, max_retries=1)(nodes.facts).options(scheduling_strategy=here)
        files = [name for name in self.facts if name.startswith("/")]
        return ask.remote([name for name in _packages() if name in self.facts], files)

    def _hear(self, names: Iterable[str], seconds: float) -> None:
        asked = {name: self._asked[name] for name in names if self._asked[name] is not None}
        if not asked:
            return
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=seconds)
        for name, reference in asked.items():
            try:
                why = nodes.complaints(ray.get(reference, timeout=0), self.facts)
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
class _Crew:
    """What a run has in the cluster besides its tasks."""

    machines: _Machines
    tally: Any
    encoders: list[Any]
    ticket: Any
    name: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def hire(cls, executor: RayCluster, work: Work) -> _Crew:
        """Look at the machines, start the encoders and wait until they are up. Raises BuildError."""
        packages = _packages() if work.encoding else [*DECISIVE, "ray"]
        files = [str(place.absolute()) for place in work.needed() if isinstance(place, Path)]
        facts = nodes.facts(packages, files)
        machines = _Machines(work, facts)
        machines.look(wait=True)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        lasting = {"max_restarts": -1, "max_task_retries": -1}
        tally = ray.remote(num_cpus=0)(_Tally).options(scheduling_strategy=here, **lasting).remote()
        encoders = _start_encoders(executor, work, machines)
        level = logger.getEffectiveLevel()
        ticket = _Ticket(
            work=work, facts=facts, tally=tally, encoders=encoders, shard_seconds=executor.shard_seconds, level=level
        )
        return cls(machines, tally, encoders, ray.put(ticket))

    def submit(self, plan: ShardPlan, begun: str) -> Any:
        """Hand a shard to Ray."""
        task = _make.options(label_selector=self.machines.allowed(), name=f"rmod {begun}")
        return task.remote(self.name, [self.ticket], plan, begun)

    def waits(self) -> Waits:
        """Return how long workers and encoders were there, and stood still for each other."""
        told = [self.tally.waits.remote(), *(encoder.waits.remote() for encoder in self.encoders)]
        waits = Waits()
        for each in told:
            with suppress(RayError):
                waits += ray.get(each, timeout=POLL_SECONDS * 40)
        return waits

    def close(self) -> None:
        """Let the actors go."""
        for actor in (self.tally, *self.encoders):
            ray.kill(actor)


def _start_encoders(executor: RayCluster, work: Work, machines: _Machines) -> list[Any]:
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
    kind, level = ray.remote(_Encoder), logger.getEffectiveLevel()
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
class _Run:
    """One pass over some shards: hand out, wait, take what came of it."""

    executor: RayCluster
    crew: _Crew
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

    def results(self) -> Iterator[Result]:
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

    def _result(self, reference: Any, plan: ShardPlan, begun: str) -> Result | None:
        """Return what came of a shard; None if it is to be begun again."""
        try:
            result = ray.get(reference)
        except RayTaskError as error:
            failure = failure_of(plan.name, error.cause if isinstance(error.cause, Exception) else error)
            return replace(failure, detail=str(error)) if failure.detail else failure  # it has the frames of over there
        except RuntimeEnvSetupError as error:
            return Failure(shard=plan.name, cause=f"the job's environment cannot be set up: {error}", fatal=True)
        except RayError as error:
            return self._died(plan, begun, error)
        if isinstance(result, _Refused):
            self.crew.machines.refuse(result.node, result.why)
            return None
        self.finished += result.count if isinstance(result, Receipt) else 0
        return result

    def _died(self, plan: ShardPlan, begun: str, error: RayError) -> Result | None:
        """Return what came of a shard whose worker is gone: nothing yet, if it may be begun again."""
        limit, now = self.executor.shard_seconds, time.monotonic()
        if limit and now - self.since.get(begun, now) >= limit:
            return took_too_long(plan.name, limit)
        tries = self.tries[plan.name] = self.tries.get(plan.name, 0) + 1
        said = str(error).partition("\n")[0]
        if tries < TRIES:
            logger.warning("%s is begun again: %s", plan.name, said)
            return None
        return Failure(shard=plan.name, cause=f"its worker died {TRIES} times, at last so: {said}")

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
