"""Make one shard after another in a worker process: lease it, make it, return its result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rmod_pipeline.pipeline.jobs.base import ShardMaker
from rmod_pipeline.pipeline.leases import make_lease
from rmod_pipeline.pipeline.log_context import current_pair, shard_log_context
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardResult, WaitTimes, describe_failure
from rmod_pipeline.shards.layout import Layout, ShardPlan

logger = logging.getLogger(__name__)


class Worker:
    """Make shards one after another, and measure the time."""

    def __init__(self, maker: ShardMaker, layout: Layout, on_pairs: Callable[[int], None]) -> None:
        self._maker, self._layout, self._on_pairs = maker, layout, on_pairs
        self._seconds = 0.0

    def run(self, plan: ShardPlan) -> ShardResult:
        """Make a shard and return its result. An Exception becomes a ShardFailure."""
        start = time.monotonic()
        try:
            return run_shard(plan, self._maker, self._layout, self._on_pairs)
        finally:
            self._seconds += time.monotonic() - start

    @property
    def waits(self) -> WaitTimes:
        """The time spent on all shards so far, and the part of it spent waiting for an encoder."""
        return WaitTimes(workers=self._seconds, for_encoders=self._maker.waited)

    def close(self) -> None:
        """Close the shard maker."""
        self._maker.close()


def run_shard(plan: ShardPlan, maker: ShardMaker, layout: Layout, on_pairs: Callable[[int], None]) -> ShardResult:
    """Make a shard unless another run holds it or has made it. An Exception becomes a ShardFailure.

    ``on_pairs`` is called with 1 after every pair, and with the negative sum if the shard fails.
    """
    lease = make_lease(layout.leases, plan.name)
    pairs = 0
    with shard_log_context(plan.name):
        try:
            if not lease.acquire():
                return ClaimedByOther(shard=plan.name)
            with lease:
                if maker.is_done(plan):
                    return ClaimedByOther(shard=plan.name)

                def count_pair() -> None:
                    nonlocal pairs
                    lease.report_progress()
                    pairs += 1
                    on_pairs(1)

                return maker.make(plan, count_pair)
        except Exception as error:
            logger.debug("failed", exc_info=True)
            on_pairs(-pairs)
            return describe_failure(plan.name, error, current_pair())
