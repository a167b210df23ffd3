"""Run the shards of a job in parallel: on this machine, or on a Ray cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardResult
from rmod_pipeline.shards.layout import ShardPlan

OnPairs = Callable[[int], None]
"""Called regularly with the number of pairs made since the last call; negative if a shard failed."""


class Executor(ABC):
    """Runs shards. The files that are made do not depend on the executor."""

    is_remote: ClassVar[bool]
    """Whether other machines do the work, so that the GPUs of those machines count."""

    @abstractmethod
    def run(self, plans: Sequence[ShardPlan], job: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards in any order, and yield one result per shard, and wait times at the end."""
