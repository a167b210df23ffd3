"""What every executor's worker does with a plan: claim the shard, make it, say what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rmod_pipeline.build.leases import claim_on
from rmod_pipeline.build.outcome import Elsewhere, Result, failure_of
from rmod_pipeline.build.work import Maker
from rmod_pipeline.shards.layout import Layout, ShardPlan

logger = logging.getLogger(__name__)


def run_shard(plan: ShardPlan, maker: Maker, layout: Layout, on_pairs: Callable[[int], None]) -> Result:
    """Make a shard unless another run is at it or has made it meanwhile. Never raises but to stop the worker.

    ``on_pairs`` is told of every pair made; of a shard that comes to nothing, they are taken back.
    """
    claim = claim_on(layout.claims, plan.name)
    told = 0
    try:
        if not claim.take():
            return Elsewhere(shard=plan.name)
        with claim:
            if maker.done(plan):
                return Elsewhere(shard=plan.name)

            def made() -> None:
                nonlocal told
                claim.renew()
                told += 1
                on_pairs(1)

            return maker.make(plan, made)
    except Exception as error:
        logger.debug("shard %s failed", plan.name, exc_info=True)
        on_pairs(-told)
        return failure_of(plan.name, error)
