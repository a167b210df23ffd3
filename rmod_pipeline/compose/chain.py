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
    """Draw the effects of a chain.

    The stream of an effect is named after the effect and its number among the effects of that name, not after its
    position in the chain. So an effect that is added to a recipe changes no other draw.
    """
    name_counts: Counter[str] = Counter()
    shuffled_slots = 0
    composed: list[Effect] = []
    for slot in chain:
        if isinstance(slot, AnyOrder):
            shuffled_slots += 1
            shuffled = [_compose_effect(ranges, name_counts, draw) for ranges in slot.any_order]
            order = draw.at("order", shuffled_slots).order(len(shuffled))
            composed += [effect for effect in (shuffled[position] for position in order) if effect]
        else:
            effect = _compose_effect(slot, name_counts, draw)
            if effect:
                composed.append(effect)
    return tuple(composed)


def compose_sends(sends: Sequence[SendRanges], draw: Draw) -> tuple[Send, ...]:
    """Draw the sends of a track. The stream of a send is named after it, and numbered from the second of a name on."""
    name_counts: Counter[str] = Counter()
    composed: list[Send] = []
    for send in sends:
        name_counts[send.name] += 1
        count = name_counts[send.name]
        stream = draw.at(send.name) if count == 1 else draw.at(send.name, count)
        if send.probability >= 1 or stream.at("present").chance(send.probability):
            composed.append(
                Send(
                    name=send.name,
                    level_db=send.level_db.sample(stream.at("level_db")),
                    effects=compose_chain(send.effects, stream),
                )
            )
    return tuple(composed)


def _compose_effect(ranges: EffectRanges, name_counts: Counter[str], draw: Draw) -> Effect | None:
    """Draw an effect, or return None if this pair omits it; ``name_counts`` counts the names in the chain so far."""
    name = str(ranges.effect)  # type: ignore[attr-defined]
    name_counts[name] += 1
    stream = draw.at(name, name_counts[name])
    is_present = ranges.probability >= 1 or stream.at("present").chance(ranges.probability)
    return ranges.compose(stream) if is_present else None
