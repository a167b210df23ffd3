"""What every executor's worker does with a plan: claim the shard, make it, say what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rmod_pipeline.build.claims import Claim
from rmod_pipeline.build.job import Studio, build_shard
from rmod_pipeline.build.outcome import Elsewhere, Result, failure_of
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import read_receipt

logger = logging.getLogger(__name__)


def run_shard(plan: ShardPlan, studio: Studio, on_pair: Callable[[], None]) -> Result:
    """Make a shard unless another run is at it or has made it meanwhile. Never raises but to stop the worker."""
    layout = studio.job.layout
    claim = Claim(layout.claims, plan.name)
    try:
        if not claim.take():
            return Elsewhere(shard=plan.name)
        with claim:
            receipt = layout.receipt(plan.name)
            if receipt.exists():
                return read_receipt(receipt)

            def made() -> None:
                claim.renew()
                on_pair()

            return build_shard(plan, studio, made)
    except Exception as error:
        logger.debug("shard %s failed", plan.name, exc_info=True)
        return failure_of(plan.name, error)
