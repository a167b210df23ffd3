"""Build one shard from plan to receipt: compose, render, judge, accept or reject each pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from rmod_pipeline.compose import compose_pair
from rmod_pipeline.pipeline.judge import judge
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.spec import PairId

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.jobs.context import WorkerContext


def build_shard(plan: ShardPlan, context: WorkerContext, on_pair: Callable[[], None] = lambda: None) -> Receipt:
    """Build one shard: PairId -> PairSpec -> Pair -> tokens -> tars and index -> receipt.

    ``on_pair`` is called after each pair. Raises AssetError for a sound that cannot be read: the shard fails, and
    nothing of it is published.
    """
    recipe = context.recipe
    with context.open_output(plan) as output:
        for pair_id in plan.pair_ids(context.seed):
            for attempt in attempts(pair_id, recipe.reject.attempts):
                spec = compose_pair(recipe, context.assets(plan.split), context.settings, attempt)
                pair = render_pair(spec, context.sounds)
                reject = judge(pair.measured, recipe.reject)
                if reject is None:
                    output.accept(pair)
                    break
                output.reject(pair, reject)
            else:
                output.leave_out(pair_id.key)
            on_pair()
    return output.receipt


def attempts(pair_id: PairId, count: int) -> Iterator[PairId]:
    """Yield a pair id with the attempts 0 .. count - 1, and name the pair in the log from here on."""
    set_current_pair(pair_id.key)
    for attempt in range(count):
        yield replace(pair_id, attempt=attempt)
