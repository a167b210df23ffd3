"""List every random value of a spec with the distribution that the recipe gives it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import permutations, product
from typing import Any

from rmod_pipeline.distributions import Choice, Distribution
from rmod_pipeline.effects import EffectRanges
from rmod_pipeline.effects.crossover import Crossover
from rmod_pipeline.effects.equalizer import EqualizerRanges
from rmod_pipeline.effects.level_gain import LevelGainRanges
from rmod_pipeline.inspection.report.laws import Law, Rounded, add_chances, equal_chances, find_chances
from rmod_pipeline.recipe import Chain, RandomPatterns, Recipe, SendRanges
from rmod_pipeline.recipe.schema import AnyOrder, Layering, TrackRanges
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Send, Track

DrawnValue = tuple[str, Law | None, Any]
"""Name of a draw, its distribution (None if it depends on a library that is not at hand), and the drawn value."""

SoundIds = Mapping[str, tuple[str, ...]]
"""The ids of the sounds of each kind, all of which are equally likely."""

_MOST_LOOPS = 12
"""Kinds of loops of which all sets are counted; more would be too many sets."""
_MOST_PERMUTED = 4


def list_draws(recipe: Recipe, spec: PairSpec, sounds: SoundIds | None = None) -> Iterator[DrawnValue]:
    """Yield every random value of a spec. ``sounds``: those that the split of the spec may use, if they are known."""
    tracks = {track.kind: track for track in spec.tracks}
    for kind, loop_ranges in recipe.loops.items():
        yield f"{kind} present", yes(loop_ranges.presence), kind in tracks
        loop = tracks.get(kind)
        if isinstance(loop, LoopTrack):
            law, period = loop_period(recipe, kind, loop.period_frames)
            yield f"{kind} asset", _uniform(sounds, kind), loop.asset
            yield f"{kind} semitones", loop_ranges.semitones, loop.semitones
            yield f"{kind} seconds", law, period
            yield from _list_track(kind, loop_ranges, loop)
    for kind, drum_ranges in recipe.drums.items():
        if is_presence_drawn(recipe, kind):
            yield f"{kind} present", yes(drum_ranges.presence), kind in tracks
        drum = tracks.get(kind)
        if isinstance(drum, DrumTrack):
            yield from _list_layers(kind, recipe, drum, sounds)
            yield from _list_notes(kind, recipe, drum)
            yield from _list_track(kind, drum_ranges, drum)
    yield from _list_chain("master", recipe.master, spec.master)
    if 2 <= len(recipe.loops) <= _MOST_LOOPS:
        yield "loops together", _sets_of_loops(recipe), tuple(kind in tracks for kind in recipe.loops)


def is_presence_drawn(recipe: Recipe, kind: str) -> bool:
    """Return whether chance alone decides if a drum is there: neither the sounds of the library, nor a groove."""
    drum = recipe.drums[kind]
    return not drum.optional and (recipe.grooves is None or drum.target)


def _list_notes(kind: str, recipe: Recipe, drum: DrumTrack) -> Iterator[DrawnValue]:
    """Yield the values of random hits; of those that are humanised only their number, which nothing else changes."""
    ranges, patterns = recipe.drums[kind], recipe.patterns
    if not isinstance(patterns, RandomPatterns):
        return
    yield f"{kind} hits", ranges.hits, len(drum.notes)
    if ranges.humanise:
        return
    for note in drum.notes:
        yield f"{kind} ticks", _step_ticks(recipe.grid, patterns.steps or recipe.grid), note.tick
        yield f"{kind} velocity", Rounded(ranges.velocity), note.velocity


@lru_cache(maxsize=256)
def yes(probability: float) -> Mapping[bool, float]:
    """Return the chances of a thing that is present with a probability."""
    return {True: probability, False: 1 - probability}


def loop_period(recipe: Recipe, kind: str, frames: int) -> tuple[Law, float]:
    """Return the distribution of the period of a loop, and a period in its unit: frames if it is discrete, else s."""
    law: Distribution = recipe.loops[kind].seconds
    chances = find_chances(law)
    if chances is None:
        return law, frames / recipe.sample_rate
    return add_chances((round(seconds * recipe.sample_rate), chance) for seconds, chance in chances.items()), frames


@lru_cache(maxsize=16)
def _step_ticks(grid: int, steps: int) -> Mapping[int, float]:
    return equal_chances([step * grid // steps for step in range(steps)])


@lru_cache(maxsize=256)
def _equal(items: tuple[Any, ...]) -> Mapping[Any, float]:
    return equal_chances(items)


def _uniform(sounds: SoundIds | None, kind: str) -> Law | None:
    return None if sounds is None else _equal(sounds[kind])


def _sets_of_loops(recipe: Recipe) -> Mapping[tuple[bool, ...], float]:
    """Return the probability of every set of loops, if each loop is present independently."""
    return _sets(tuple(ranges.presence for ranges in recipe.loops.values()))


@lru_cache(maxsize=16)
def _sets(presences: tuple[float, ...]) -> Mapping[tuple[bool, ...], float]:
    return {
        present: math.prod(p if is_present else 1 - p for p, is_present in zip(presences, present, strict=True))
        for present in product((False, True), repeat=len(presences))
    }


def _list_layers(kind: str, recipe: Recipe, drum: DrumTrack, sounds: SoundIds | None) -> Iterator[DrawnValue]:
    layering, chosen = recipe.one_shots.layering, [layer.asset for layer in drum.layers]
    yield f"{kind} layers differ", yes(1.0), len(set(chosen)) == len(chosen)
    yield f"{kind} layered", yes(1 - layering.none), len(chosen) > 1
    yield f"{kind} loudest layer", _uniform(sounds, kind), chosen[0]
    if len(chosen) > 1:
        yield from _list_gains(kind, layering, drum)
        yield f"{kind} second layer", _uniform(sounds, kind), chosen[1]
        yield f"{kind} order of layers", yes(0.5), chosen[0] < chosen[1]
    if recipe.one_shots.semitones:
        for layer in drum.layers:
            yield f"{kind} layer semitones", recipe.one_shots.semitones, layer.semitones
    if recipe.one_shots.effects:
        yield from _list_chain(f"{kind} one-shot", recipe.one_shots.effects, drum.one_shot)


def _list_gains(kind: str, layering: Layering, drum: DrumTrack) -> Iterator[DrawnValue]:
    """Yield what decides the gains of several layers: the frequency between two bands, or a row of weights."""
    bands = [effect for layer in drum.layers for effect in layer.effects if isinstance(effect, Crossover)]
    if layering.crossover:
        yield f"{kind} crossover present", yes(layering.crossover.probability), bool(bands)
        if bands:
            yield f"{kind} crossover hz", layering.crossover.hz, bands[0].hz
    if not bands:
        yield f"{kind} weights", _equal(layering.weights), tuple(layer.weight for layer in drum.layers)


def _list_track(kind: str, ranges: TrackRanges, track: Track) -> Iterator[DrawnValue]:
    yield from _list_chain(f"{kind} inserts", ranges.inserts, track.inserts)
    names = Counter(send.name for send in ranges.sends)
    drawn: dict[str, Send] = {send.name: send for send in track.sends}
    for send_ranges in ranges.sends:
        if names[send_ranges.name] == 1:  # sends of one name cannot be told apart
            yield from _list_send(f"{kind} send {send_ranges.name}", send_ranges, drawn.get(send_ranges.name))


def _list_send(name: str, ranges: SendRanges, send: Send | None) -> Iterator[DrawnValue]:
    yield f"{name} present", yes(ranges.probability), send is not None
    if send is not None:
        yield f"{name} level_db", ranges.level_db, send.level_db
        yield from _list_chain(name, ranges.effects, send.effects)


def _list_chain(prefix: str, chain: Chain, effects: Sequence[Any]) -> Iterator[DrawnValue]:
    """Yield the values of a chain. Effects of one name are told apart by the words that they allow, or by order."""
    remaining = list(effects)
    for number, ranges, is_certain in _number_effects(chain):
        effect = next((candidate for candidate in remaining if _may_be_of(ranges, candidate)), None)
        if effect is not None:
            remaining.remove(effect)
        if not is_certain:
            continue
        name = f"{prefix} {number} {ranges.effect}"  # type: ignore[attr-defined]
        yield f"{name} present", yes(ranges.probability), effect is not None
        if effect is not None:
            yield f"{name} match_rms", {ranges.match_rms: 1.0}, effect.match_rms
            yield from _list_effect(name, ranges, effect)
    yield f"{prefix} has nothing else", yes(1.0), not remaining
    for number, slot in enumerate(chain):
        if isinstance(slot, AnyOrder):
            yield from _list_order(f"{prefix} {number} order", slot, chain, effects)


@lru_cache(maxsize=512)
def _number_effects(chain: Chain) -> tuple[tuple[int | str, EffectRanges, bool], ...]:
    """Return each effect of a chain with its number, and whether its values are certain to be its own."""
    flat: list[tuple[int | str, EffectRanges, bool]] = []
    for number, slot in enumerate(chain):
        if isinstance(slot, AnyOrder):
            flat += [(f"{number}.{part}", ranges, True) for part, ranges in enumerate(slot.any_order)]
        else:
            flat.append((number, slot, False))

    def is_certain(position: int) -> bool:
        _, ranges, is_shuffled = flat[position]
        alike = [other for at, other in enumerate(flat) if at != position and _look_alike(ranges, other[1])]
        return not alike or not (
            is_shuffled
            or ranges.probability < 1
            or any(other_shuffled or other.probability < 1 for _, other, other_shuffled in alike)
        )

    return tuple((number, ranges, is_certain(at)) for at, (number, ranges, _) in enumerate(flat))


def _look_alike(first: Any, second: Any) -> bool:
    """Return whether two ranges can give effects of one name with the same words."""
    if first.effect != second.effect:
        return False
    return all(set(getattr(first, name).choice) & set(getattr(second, name).choice) for name in _words(first, second))


def _words(first: Any, second: Any) -> list[str]:
    """Return the fields that hold a choice in both ranges."""
    return [
        name
        for name in first.random_fields
        if isinstance(getattr(first, name), Choice) and isinstance(getattr(second, name), Choice)
    ]


def _may_be_of(ranges: Any, effect: Any) -> bool:
    """Return whether ranges can give an effect: the name, and only words that they allow (high-pass, low-pass)."""
    if effect.effect != ranges.effect:
        return False
    return all(getattr(effect, name) in getattr(ranges, name).choice for name in _words(ranges, ranges))


def _list_order(name: str, slot: AnyOrder, chain: Chain, effects: Sequence[Any]) -> Iterator[DrawnValue]:
    """Yield the order of effects that a recipe leaves open, where all are present and have names of their own."""
    names = [ranges.effect for ranges in slot.any_order]  # type: ignore[attr-defined]
    everywhere = Counter(ranges.effect for _, ranges, _ in _number_effects(chain))  # type: ignore[attr-defined]
    is_clear = all(everywhere[each] == 1 for each in names) and all(each.probability >= 1 for each in slot.any_order)
    if is_clear and len(names) <= _MOST_PERMUTED:
        drawn = tuple(effect.effect for effect in effects if effect.effect in names)
        yield name, _equal(tuple(permutations(names))), drawn


def _list_effect(name: str, ranges: Any, effect: Any) -> Iterator[DrawnValue]:
    if isinstance(ranges, EqualizerRanges):
        for number, (band, drawn) in enumerate(zip(ranges.bands, effect.bands, strict=True)):
            for field in ("shape", "hz", "gain_db", "q"):
                yield f"{name} band {number} {field}", getattr(band, field), getattr(drawn, field)
    elif isinstance(ranges, LevelGainRanges):
        yield f"{name} ends", {ranges.gain_db: 1.0}, (effect.min_db, effect.max_db)
        yield f"{name} jitter_db", ranges.jitter_db, effect.jitter_db
    else:
        for field in ranges.random_fields:
            yield f"{name} {field}", getattr(ranges, field), getattr(effect, field)
