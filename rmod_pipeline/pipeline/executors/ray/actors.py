"""Define the actors of a run on a Ray cluster, one that collects progress and the encoders, and their metrics."""

from __future__ import annotations

import logging
import os
import time
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError
from ray.util.metrics import Counter

from rmod_pipeline.codec import CodecChoice, Tokens
from rmod_pipeline.codec.codec import AudioBatch
from rmod_pipeline.errors import CodecError
from rmod_pipeline.pipeline.encoding import EncodeBatch, TimedEncoder
from rmod_pipeline.pipeline.executors.encoder_processes import RESTART_MESSAGE, RESTARTS, open_in_process
from rmod_pipeline.pipeline.executors.nodes import NodeFacts, describe_differences, node_facts
from rmod_pipeline.pipeline.log_context import configure_logging
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardFailure, ShardResult, WaitTimes
from rmod_pipeline.shards.receipt import Receipt

logger = logging.getLogger(__name__)

RESTART_PAUSE_SECONDS = 5.0
"""Pause before an encoder that cannot run on its machine ends, so that Ray may start it on another."""

_RESULT_NAMES = {Receipt: "receipt", ShardFailure: "failure", ClaimedByOther: "elsewhere"}


class ProgressActor:
    """Collects progress: workers report to it, the driver reads it."""

    def __init__(self) -> None:
        self._start_times: dict[str, float] = {}
        self._pairs: dict[str, int] = {}
        self._waits: dict[str, WaitTimes] = {}
        self._workers = 0
        self._stop_requested = False

    def register_worker(self) -> int:
        """Return a number for a worker process; each gets another one, from 0."""
        self._workers += 1
        return self._workers - 1

    def report_pairs(self, try_id: str, pairs: int) -> bool:
        """Receive the number of pairs made of a shard, 0 at its start; return whether to continue.

        ``try_id`` names the shard and its try.
        """
        self._start_times.setdefault(try_id, time.monotonic())
        self._pairs[try_id] = pairs
        return not self._stop_requested

    def request_stop(self) -> None:
        """Make workers stop at their next report."""
        self._stop_requested = True

    def report_waits(self, worker: str, waits: WaitTimes) -> None:
        """Receive the times of a worker over all its shards so far."""
        self._waits[worker] = waits

    def read(self, running: set[str]) -> tuple[int, dict[str, float]]:
        """Return the number of pairs made of the running tries, and the seconds since each of them started.

        Forgets all other tries.
        """
        self._start_times = {try_id: start for try_id, start in self._start_times.items() if try_id in running}
        self._pairs = {try_id: pairs for try_id, pairs in self._pairs.items() if try_id in running}
        now = time.monotonic()
        return sum(self._pairs.values()), {try_id: now - start for try_id, start in self._start_times.items()}

    def waits(self) -> WaitTimes:
        """Return the times of all workers together."""
        return sum(self._waits.values(), WaitTimes())


class EncoderActor:
    """A codec on one GPU, or on one core."""

    def __init__(self, choice: CodecChoice, device: str, facts: NodeFacts, log_level: int) -> None:
        configure_logging(log_level)
        differences = describe_differences(node_facts(facts["packages"], facts["files"]), facts)
        if differences:
            # After a restart it may be on a machine that was never checked, and would make other tokens there.
            logger.critical("no encoder can run on this machine: %s", differences)
            time.sleep(RESTART_PAUSE_SECONDS)
            os._exit(1)
        self._encode = TimedEncoder(open_in_process(choice, device))
        self._metrics = RunMetrics()
        self._counted_waits = 0.0

    def node(self) -> str:
        """Return the id of the node that it runs on, once it is up."""
        return str(ray.get_runtime_context().get_node_id())

    def encode(self, audio: AudioBatch) -> Tokens | CodecError:
        """Return the tokens [batch, codebooks, frames] of audio [batch, samples], or the CodecError.

        Any other error ends the process, and Ray starts it again.
        """
        try:
            return self._encode(audio)
        except CodecError as error:
            return error
        except Exception:
            logger.critical(RESTART_MESSAGE, exc_info=True)
            os._exit(1)
        finally:
            self._metrics.encoder_waits.inc(self._encode.waited - self._counted_waits)
            self._counted_waits = self._encode.waited

    def waits(self) -> WaitTimes:
        """Return the time since it was opened, and the part of it spent waiting."""
        return self._encode.waits


class RunMetrics:
    """The metrics that Prometheus can read on every machine, as ``ray_rmod_pairs_total`` and so on."""

    def __init__(self) -> None:
        self.pairs = Counter("rmod_pairs", "Pairs made, including those of failed shards.")
        self.rejects = Counter("rmod_rejects", "Rejected attempts, by reason.", tag_keys=("reason",))
        self.shards = Counter("rmod_shards", "Shards, by result.", tag_keys=("result",))
        self.worker_waits = Counter("rmod_worker_wait_seconds", "Seconds that workers waited for an encoder.")
        self.encoder_waits = Counter("rmod_encoder_wait_seconds", "Seconds that encoders waited for workers.")

    def count_shard(self, result: ShardResult, waited: float) -> None:
        """Count a shard by its result, and the seconds that its worker waited for an encoder."""
        self.shards.inc(1, {"result": _RESULT_NAMES.get(type(result), "other")})
        if isinstance(result, Receipt):
            for reason, count in result.rejects.items():
                self.rejects.inc(count, {"reason": reason})
        if waited > 0:
            self.worker_waits.inc(waited)


def connect_encoder(encoder: Any) -> EncodeBatch:
    """Return the encode function of an EncoderActor, given by its handle. Audio is sent to it once, without a copy."""

    def encode(audio: AudioBatch) -> Tokens:
        """Encode audio [batch, samples]. Raises the actor's CodecError, or one if the actor is lost."""
        try:
            answer: Tokens | CodecError = ray.get(encoder.encode.remote(audio))
        except RayActorError as error:
            is_restarting = isinstance(error, ActorUnavailableError)
            found = f"lost {RESTARTS + 1} times over one batch" if is_restarting else "gone for good"
            hint = "see its log, and check the memory of its machine and GPU: a smaller --batch needs less"
            raise CodecError("encoder", f"{found}: {error}", hint) from error
        if isinstance(answer, CodecError):
            raise answer
        return answer

    return encode
