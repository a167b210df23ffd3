"""Where work runs. One verb: ``run(plans, work) -> Iterator[Result]``, a Receipt or a Failure each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from rmod_pipeline.pipeline.jobs.base import Job
from rmod_pipeline.pipeline.results import ShardResult
from rmod_pipeline.shards.layout import ShardPlan

OnPairs = Callable[[int], None]
"""Called now and then with the number of pairs made since the last call; less than none if a shard failed."""


class Executor(ABC):
    """Runs shards; nothing but their receipts differs between one executor and another, and those do not either."""

    is_remote: ClassVar[bool]
    """Whether other machines than this one do the work: then their GPUs count, not this one's."""

    @abstractmethod
    def run(self, plans: Sequence[ShardPlan], work: Job, on_pairs: OnPairs) -> Iterator[ShardResult]:
        """Make the shards, in any order, and yield what came of each."""
