"""Draw the effects of a chain and the sends of a track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import Effect, EffectRanges
from rmod_pipeline.recipe import Chain, SendRanges
from rmod_pipeline.recipe.schema import AnyOrder
from rmod_pipeline.spec import Send


def compose_chain(chain: Chain, draw: Draw) -> tuple[Effect, ...]:
    """Draw a chain's effects.

    An effect's stream bears the effect's name, and its count where the name comes again, not its place: an effect
    added to a recipe leaves the draws of the others as they were.
    """
    named: Counter[str] = Counter()
    composed: list[Effect] = []
    for place, slot in enumerate(chain):
        for ranges in _in_order(slot, draw.at("order", place)):
            name = str(ranges.effect)  # type: ignore[attr-defined]
            named[name] += 1
            own = draw.at(name, named[name])
            if ranges.probability >= 1 or own.at("present").chance(ranges.probability):
                composed.append(ranges.compose(own))
    return tuple(composed)


def compose_sends(sends: Sequence[SendRanges], draw: Draw) -> tuple[Send, ...]:
    """Draw a track's sends; each has a stream of its own name."""
    return tuple(
        Send(
            name=send.name,
            level_db=send.level_db.at(own.at("level_db")),
            effects=compose_chain(send.effects, own),
        )
        for send in sends
        for own in (draw.at(send.name),)
        if send.probability >= 1 or own.at("present").chance(send.probability)
    )


def _in_order(slot: AnyOrder | EffectRanges, draw: Draw) -> Iterator[EffectRanges]:
    if isinstance(slot, AnyOrder):
        yield from (slot.any_order[place] for place in draw.order(len(slot.any_order)))
    else:
        yield slot
