"""Build one shard from plan to receipt: compose, render, judge, accept or reject each pair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from rmod_pipeline.compose import compose_pair
from rmod_pipeline.pipeline.judge import Reject, judge
from rmod_pipeline.pipeline.log_context import set_current_pair
from rmod_pipeline.render import Pair, render_pair, render_pairs
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.receipt import Receipt
from rmod_pipeline.spec import PairId, PairSpec

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.jobs.context import WorkerContext

RENDERED_TOGETHER = 8
"""Pairs that are rendered at once: they fill the lanes of the fused engine, and share what a call costs."""
FRAMES_TOGETHER = RENDERED_TOGETHER * 400_000
"""With longer mixtures, fewer pairs: the fused engine keeps some 150 bytes per frame of each."""


def build_shard(plan: ShardPlan, context: WorkerContext, on_pair: Callable[[], None] = lambda: None) -> Receipt:
    """Build one shard: PairId -> PairSpec -> Pair -> tokens -> tars and index -> receipt.

    ``on_pair`` is called after each pair. Raises AssetError for a sound that cannot be read: the shard fails, and
    nothing of it is published.
    """
    with context.open_output(plan) as output:
        all_ids = list(plan.pair_ids(context.seed))
        together = min(RENDERED_TOGETHER, max(1, FRAMES_TOGETHER // context.settings.frames))
        for start in range(0, len(all_ids), together):
            pair_ids = all_ids[start : start + together]
            specs = [compose_attempt(pair_id, context) for pair_id in pair_ids]
            pairs = render_pairs(specs, context.sounds, _name_pair, keep_tracks=context.job.stems)
            for pair_id, first in zip(pair_ids, pairs, strict=True):
                set_current_pair(pair_id.key)
                pair = find_accepted(first, context, output.reject)
                if pair is None:
                    output.leave_out(pair_id.key)
                else:
                    output.accept(pair)
                on_pair()
    return output.receipt


def compose_attempt(pair_id: PairId, context: WorkerContext) -> PairSpec:
    """Compose an attempt of a pair, and name the pair in the log from here on."""
    set_current_pair(pair_id.key)
    return compose_pair(context.recipe, context.assets(pair_id.split), context.settings, pair_id)


def _name_pair(spec: PairSpec) -> None:
    set_current_pair(spec.key)


def find_accepted(
    pair: Pair, context: WorkerContext, on_reject: Callable[[Pair, Reject], None] = lambda _pair, _reject: None
) -> Pair | None:
    """Return a pair or, if it is rejected, its next attempt that is not; None if all are rejected."""
    limits = context.recipe.reject
    while (reject := judge(pair.measured, limits)) is not None:
        on_reject(pair, reject)
        following = replace(pair.spec.address, attempt=pair.spec.address.attempt + 1)
        if following.attempt >= limits.attempts:
            return None
        pair = render_pair(compose_attempt(following, context), context.sounds)
    return pair
