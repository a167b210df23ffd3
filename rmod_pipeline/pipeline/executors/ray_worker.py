"""What runs elsewhere in a Ray cluster: shards, encoders, and who knows what is under way. Nothing here drives.

A worker process checks its machine before it opens anything, and again when a shard fails in a way that another
machine might not know: who fails is faster than who makes, and would get all the shards.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError
from ray.util.metrics import Counter

from rmod_pipeline.codec import CodecChoice, Tokens
from rmod_pipeline.codec.codec import AudioBatch
from rmod_pipeline.errors import CodecError, RmodError
from rmod_pipeline.pipeline.encoding import EncodeBatch, TimedEncoder
from rmod_pipeline.pipeline.executors import nodes
from rmod_pipeline.pipeline.executors.encoder_processes import ENDS, RESTARTS, open_in_process
from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.log_context import configure_logging
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardFailure, ShardResult, WaitTimes
from rmod_pipeline.pipeline.worker import Worker
from rmod_pipeline.shards.fingerprint import DECISIVE_PACKAGES
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.storage import OutageError, StorePath

logger = logging.getLogger(__name__)

TELL_SECONDS = 1.0
"""Between two words of a worker about the pairs it has made; what it hears is an answer to the last but one."""

LOOK_AGAIN_SECONDS = 5.0
"""After which a file that could not be read must be read, or its machine is left out; or an encoder that cannot work
here may be started elsewhere."""


@dataclass(frozen=True, slots=True)
class WorkerPayload:
    """What a worker process needs for all shards of a run: fetched once by each."""

    work: Job
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
class NodeRefused:
    """A machine may not take part."""

    node: str
    why: str


class ProgressActor:
    """Knows what is under way: workers tell it, the driver asks it."""

    def __init__(self) -> None:
        self._begun: dict[str, float] = {}
        self._pairs: dict[str, int] = {}
        self._waits: dict[str, WaitTimes] = {}
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

    def end(self, worker: str, waits: WaitTimes) -> None:
        """Take how long a worker has taken over all of its shards."""
        self._waits[worker] = waits

    def look(self, under_way: set[str]) -> tuple[int, dict[str, float]]:
        """Return the pairs made of what is under way, and for how many seconds each shard has been."""
        self._begun = {begun: since for begun, since in self._begun.items() if begun in under_way}
        self._pairs = {begun: pairs for begun, pairs in self._pairs.items() if begun in under_way}
        now = time.monotonic()
        return sum(self._pairs.values()), {begun: now - since for begun, since in self._begun.items()}

    def waits(self) -> WaitTimes:
        """Return how long all workers took, and how much of it they waited."""
        return sum(self._waits.values(), WaitTimes())


class EncoderActor:
    """A codec on a GPU of its own, or on one core."""

    def __init__(self, choice: CodecChoice, device: str, facts: Mapping[str, str], level: int) -> None:
        configure_logging(level)
        why = nodes.node_complaints(_facts_of(facts), facts)
        if why:
            # Started again, it may have come to a machine that nobody has asked: its tokens would be others.
            logger.critical("no encoder here, but elsewhere perhaps: %s", why)
            time.sleep(LOOK_AGAIN_SECONDS)
            os._exit(1)
        self._encode = TimedEncoder(open_in_process(choice, device))
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

    def waits(self) -> WaitTimes:
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

    def take(self, result: ShardResult, waited: float) -> None:
        """Count what came of a shard."""
        self.shards.inc(1, {"result": type(result).__name__.lower()})
        for reason, count in result.rejects.items() if isinstance(result, Receipt) else ():
            self.rejects.inc(count, {"reason": reason})
        if waited > 0:
            self.worker_waits.inc(waited)


class _WorkerState:
    """What a worker process keeps between the shards of a run: sounds, the way to an encoder, what it has told."""

    def __init__(self, ticket: WorkerPayload) -> None:
        self.ticket, self._tally, self._limit = ticket, ticket.tally, ticket.shard_seconds
        self._metrics = _Metrics()
        place = ray.get(self._tally.join.remote())
        encode = _through(ticket.encoders[place % len(ticket.encoders)]) if ticket.encoders else None
        self._worker = Worker(ticket.work.open(encode), ticket.work.layout, self._on_pairs)
        self._name = f"{ray.get_runtime_context().get_worker_id()}"
        self._begun, self._pairs = "", 0
        self._asked: Any = None
        self._told = 0.0

    def run(self, plan: ShardPlan, begun: str) -> ShardResult:
        """Make a shard."""
        self._begun, self._pairs, before = begun, 0, self._worker.waits.for_encoders
        self._told, self._asked = time.monotonic(), None
        if not ray.get(self._tally.tell.remote(begun, 0)):
            return ClaimedByOther(shard=plan.name)
        with _limited(self._limit), suppress(_Stopped):
            return self._told_of(self._worker.run(plan), before)
        return ClaimedByOther(shard=plan.name)

    def _told_of(self, result: ShardResult, before: float) -> ShardResult:
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


_bench: dict[str, _WorkerState] = {}  # Ray hands a worker process its state no other way; one run's at a time


@ray.remote(num_cpus=1, max_retries=0)  # the driver counts the tries
def make_shard_task(run: str, held: Sequence[Any], plan: ShardPlan, begun: str) -> ShardResult | NodeRefused:
    # Within a list a reference is no argument to be fetched for every shard.
    ticket: WorkerPayload = _bench[run].ticket if run in _bench else ray.get(held[0])
    if run not in _bench:
        while _bench:
            _bench.popitem()[1].close()
        configure_logging(ticket.level)
        why = nodes.node_complaints(_facts_of(ticket.facts), ticket.facts) or _unreachable(ticket.work)
        if why:
            return _refused(why)
        _bench[run] = _WorkerState(ticket)
    why = _blind(ticket)
    if why:
        return _refused(why)
    result = _bench[run].run(plan, begun)
    why = _fault_of_machine(result, ticket) if isinstance(result, ShardFailure) else ""
    return _refused(why) if why else result


def _fault_of_machine(failure: ShardFailure, ticket: WorkerPayload) -> str:
    """Say why other shards would fail on this machine too, faster than others make them; nothing if they would not."""
    if failure.machine:
        return failure.cause
    return _lost(ticket) if failure.again else ""


def _refused(why: str) -> NodeRefused:
    return NodeRefused(node=str(ray.get_runtime_context().get_node_id()), why=why)


def _blind(ticket: WorkerPayload) -> str:
    """Say that OUT is gone from this machine: where its disk was mounted, shards would be made for nobody."""
    build = ticket.work.layout.build
    known = isinstance(build, Path) and str(build.absolute()) in ticket.facts
    return _lost(ticket) if known and not build.exists() else ""


def _lost(ticket: WorkerPayload) -> str:
    """Say what this machine could read when it began and cannot any more; nothing for what passes in some seconds."""
    files = {name: digest for name, digest in ticket.facts.items() if name.startswith("/")}
    if _unread(files):
        time.sleep(LOOK_AGAIN_SECONDS)
    return _unread(files) or _unreachable(ticket.work)


def _unread(files: Mapping[str, str]) -> str:
    """Say which files cannot be read; one that is another by now is the same on all machines."""
    there = nodes.node_facts([], files)
    return nodes.node_complaints(
        there, {name: digest for name, digest in files.items() if there[name] == nodes.MISSING}
    )


def _unreachable(work: Job) -> str:
    """Say why this machine can read none of what lies on a store; nothing if it can, or if it may later."""
    for place in work.needed():
        try:
            if isinstance(place, StorePath):
                place.read_bytes()
        except FileNotFoundError as error:
            if place == work.layout.build:  # another store answers to that name; a sound that is gone is gone for all
                return str(error)
        except OutageError:
            pass  # all machines have it
        except (RmodError, OSError) as error:
            return str(error)
    return ""


def _through(encoder: Any) -> EncodeBatch:
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
    return nodes.node_facts((name for name in packages() if name in expected), files)


def packages() -> list[str]:
    return [*DECISIVE_PACKAGES, "ray", "torch", "descript-audio-codec"]
