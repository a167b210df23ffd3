"""Track the machines of a Ray cluster, and exclude those that differ from the driver's machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, RuntimeEnvSetupError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.event_log import REFUSED, append_event
from rmod_pipeline.pipeline.executors import nodes
from rmod_pipeline.pipeline.executors.nodes import NodeFacts, describe_differences
from rmod_pipeline.storage import Location

logger = logging.getLogger(__name__)

UPDATE_SECONDS = 5.0
"""Interval between checks for machines that have joined or left."""

PROBE_SECONDS = 120.0
"""How long a machine may take to return its facts: its first worker process must start."""

NODE_ID = "ray.io/node-id"

# Send its functions as source, so that a machine without rmod, or with another version, can answer.
cloudpickle.register_pickle_by_value(nodes)


@dataclass(slots=True)
class ClusterNodes:
    """The machines of a cluster: which may take part, and their cores and GPUs."""

    log: Location
    """The folder of the event log."""
    facts: NodeFacts
    """Facts of the driver's machine."""
    refused: dict[str, str] = field(default_factory=dict)
    """Reason by node id of the machines that may not take part."""
    with_cores: list[str] = field(default_factory=list)
    """Node ids of the machines that may take part and have cores."""
    cores: int = 0
    gpus: int = 0
    _probes: dict[str, Any] = field(default_factory=dict)
    """By node id: reference to the machine's facts, or None when they are known."""
    _names: dict[str, str] = field(default_factory=dict)
    _last_update: float = 0.0

    def update(self, wait: bool = False) -> None:
        """Look for machines that have joined or left, and check new ones. Raises BuildError if none may take part.

        ``wait`` waits for the facts of new machines; without it, an update within UPDATE_SECONDS does nothing.
        """
        if not wait and time.monotonic() - self._last_update < UPDATE_SECONDS:
            return
        self._last_update = time.monotonic()
        alive = {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}
        for node_id, node in alive.items():
            if node_id not in self._probes:
                self._names[node_id] = f"{node['NodeManagerAddress']} ({node_id[:8]})"
                self._probes[node_id] = self._start_probe(node_id)
        self._check_probes([node_id for node_id in alive if node_id not in self.refused], PROBE_SECONDS if wait else 0)
        resources = {node_id: node["Resources"] for node_id, node in alive.items() if node_id not in self.refused}
        self.with_cores = [node_id for node_id, amounts in resources.items() if amounts.get("CPU")]
        self.cores = int(sum(amounts.get("CPU", 0) for amounts in resources.values()))
        self.gpus = int(sum(amounts.get("GPU", 0) for amounts in resources.values()))
        if wait and not self.cores:
            logger.warning("the cluster has no cores yet: the build waits for them")
        if not self.cores and any(node_id in self.refused for node_id in alive):
            listed = "\n  ".join(f"{self._names[node_id]}: {reason}" for node_id, reason in self.refused.items())
            hint = "correct these differences; docker/ gives all machines the same image"
            raise BuildError("cluster", f"no machine can take part:\n  {listed}", hint)

    def refuse(self, node_id: str, reason: str) -> None:
        """Exclude a machine from now on."""
        if node_id in self.refused:
            return
        self.refused[node_id] = reason
        name = self._names.get(node_id, node_id[:8])
        logger.warning("%s takes no part: %s", name, reason)
        append_event(self.log, REFUSED, node=name, cause=reason)

    def label_selector(self) -> dict[str, str]:
        """Return Ray's label selector of the machines that a task may run on."""
        return {NODE_ID: f"!in({','.join(self.refused)})"} if self.refused else {}

    def _start_probe(self, node_id: str) -> Any:
        """Start to collect a machine's facts, and return the reference to them."""
        strategy = NodeAffinitySchedulingStrategy(node_id, soft=False)
        probe = ray.remote(num_cpus=0, max_retries=1)(nodes.node_facts).options(scheduling_strategy=strategy)
        return probe.remote(list(self.facts["packages"]), list(self.facts["files"]))

    def _check_probes(self, node_ids: Iterable[str], seconds: float) -> None:
        """Wait up to some seconds for facts, and refuse the machines that differ or do not answer in that time."""
        pending = {node_id: self._probes[node_id] for node_id in node_ids if self._probes[node_id] is not None}
        if not pending:
            return
        ray.wait(list(pending.values()), num_returns=len(pending), timeout=seconds)
        for node_id, reference in pending.items():
            try:
                reason = describe_differences(ray.get(reference, timeout=0), self.facts)
            except GetTimeoutError:
                if not seconds:
                    continue  # it may still answer
                reason = f"gave no answer in {PROBE_SECONDS:g} s"
            except RayTaskError as error:
                reason = str(error.cause)
            except RuntimeEnvSetupError as error:
                reason = str(error)
            except RayError:
                continue  # it has left the cluster
            self._probes[node_id] = None
            if reason:
                self.refuse(node_id, reason)
