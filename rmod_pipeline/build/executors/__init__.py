"""Where work runs. One verb: ``run(plans, work) -> Iterator[Result]``, a Receipt or a Failure each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, Protocol

from rmod_pipeline.build.outcome import Result
from rmod_pipeline.build.work import Work
from rmod_pipeline.shards.layout import ShardPlan

OnPairs = Callable[[int], None]
"""Called now and then with the number of pairs made since the last call; less than none if a shard failed."""


class Executor(Protocol):
    """Runs shards; nothing but their receipts differs between one executor and another, and those do not either."""

    elsewhere: ClassVar[bool]
    """Whether other machines than this one do the work: then their GPUs count, not this one's."""

    def run(self, plans: Sequence[ShardPlan], work: Work, on_pairs: OnPairs) -> Iterator[Result]:
        """Make the shards, in any order, and yield what came of each."""
        ...
