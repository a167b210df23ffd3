"""Draw the effects of a chain and the sends of a track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
    shuffled = 0
    composed: list[Effect] = []
    for slot in chain:
        if isinstance(slot, AnyOrder):
            shuffled += 1
            drawn = [_compose_effect(ranges, named, draw) for ranges in slot.any_order]
            order = draw.at("order", shuffled).order(len(drawn))
            composed += [effect for effect in (drawn[place] for place in order) if effect]
        else:
            effect = _compose_effect(slot, named, draw)
            if effect:
                composed.append(effect)
    return tuple(composed)


def compose_sends(sends: Sequence[SendRanges], draw: Draw) -> tuple[Send, ...]:
    """Draw a track's sends; each has a stream of its own name, and count where the name comes again."""
    named: Counter[str] = Counter()
    composed: list[Send] = []
    for send in sends:
        named[send.name] += 1
        own = draw.at(send.name) if named[send.name] == 1 else draw.at(send.name, named[send.name])
        if send.probability >= 1 or own.at("present").chance(send.probability):
            composed.append(
                Send(
                    name=send.name,
                    level_db=send.level_db.at(own.at("level_db")),
                    effects=compose_chain(send.effects, own),
                )
            )
    return tuple(composed)


def _compose_effect(ranges: EffectRanges, named: Counter[str], draw: Draw) -> Effect | None:
    """Draw an effect, or None if it is left out of this pair; ``named`` counts the names in the chain so far."""
    name = str(ranges.effect)  # type: ignore[attr-defined]
    named[name] += 1
    own = draw.at(name, named[name])
    present = ranges.probability >= 1 or own.at("present").chance(ranges.probability)
    return ranges.compose(own) if present else None
