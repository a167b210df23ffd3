"""What every executor's worker does with a plan: claim the shard, make it, say what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from rmod_pipeline.pipeline.jobs.base import ShardMaker
from rmod_pipeline.pipeline.leases import lease_on
from rmod_pipeline.pipeline.log_context import current_pair, shard_log_context
from rmod_pipeline.pipeline.results import ClaimedByOther, ShardResult, WaitTimes, describe_failure
from rmod_pipeline.shards.layout import Layout, ShardPlan

logger = logging.getLogger(__name__)


class Worker:
    """Takes one plan after the other, and knows how long it took over them."""

    def __init__(self, maker: ShardMaker, layout: Layout, on_pairs: Callable[[int], None]) -> None:
        self._maker, self._layout, self._on_pairs = maker, layout, on_pairs
        self._seconds = 0.0

    def run(self, plan: ShardPlan) -> ShardResult:
        """Make a shard and return what came of it. Never raises but to stop the worker."""
        began = time.monotonic()
        try:
            return run_shard(plan, self._maker, self._layout, self._on_pairs)
        finally:
            self._seconds += time.monotonic() - began

    @property
    def waits(self) -> WaitTimes:
        """How long it took over shards so far, and how much of that it waited for an encoder."""
        return WaitTimes(workers=self._seconds, for_encoders=self._maker.waited)

    def close(self) -> None:
        """Let go of what was opened."""
        self._maker.close()


def run_shard(plan: ShardPlan, maker: ShardMaker, layout: Layout, on_pairs: Callable[[int], None]) -> ShardResult:
    """Make a shard unless another run is at it or has made it meanwhile. Never raises but to stop the worker.

    ``on_pairs`` is told of every pair made; of a shard that comes to nothing, they are taken back.
    """
    claim = lease_on(layout.leases, plan.name)
    told = 0
    with shard_log_context(plan.name):
        try:
            if not claim.take():
                return ClaimedByOther(shard=plan.name)
            with claim:
                if maker.done(plan):
                    return ClaimedByOther(shard=plan.name)

                def made() -> None:
                    nonlocal told
                    claim.renew()
                    told += 1
                    on_pairs(1)

                return maker.make(plan, made)
        except Exception as error:
            logger.debug("failed", exc_info=True)
            on_pairs(-told)
            return describe_failure(plan.name, error, current_pair())
