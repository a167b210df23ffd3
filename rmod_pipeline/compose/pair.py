"""Compose one pair: make every random choice from the recipe's ranges and named draws. DOSE paper, section IV."""

from __future__ import annotations

import math

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.compose.chain import compose_chain, compose_sends
from rmod_pipeline.compose.grooves import compose_groove
from rmod_pipeline.compose.split_assets import SplitAssets
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects.crossover import Crossover
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.recipe import DrumRanges, Humanise, LoopRanges, RandomPatterns, Recipe
from rmod_pipeline.recipe.schema import GROOVE, Layering, OneShots
from rmod_pipeline.spec import DrumTrack, Layer, LoopTrack, Note, PairId, PairSpec, Settings


def compose_pair(recipe: Recipe, assets: SplitAssets, settings: Settings, pair_id: PairId) -> PairSpec:
    """Return the spec of a pair. This is a pure function with the same result on every machine.

    Performances are read from their MIDI files, whose checksums are known. Raises AssetError if that fails.
    """
    draw = Draw.of(pair_id.seed, pair_id.split, pair_id.index, pair_id.attempt)
    present = [
        kind
        for kind, ranges in recipe.drums.items()
        if kind in assets.by_kind and _is_present(ranges.presence, draw.at(kind))
    ]
    composed = None
    if recipe.grooves and assets.grooves:
        composed = compose_groove(assets.grooves, present, recipe.grooves.chokes, settings, draw.at(GROOVE))
    drums = (
        compose_drum(
            kind,
            recipe.drums[kind],
            recipe,
            assets.by_kind[kind],
            draw.at(kind),
            notes=None if composed is None else composed.notes.get(kind, ()),
        )
        for kind in present
        if composed is None or kind in composed.notes or recipe.drums[kind].target
    )
    loops = (
        compose_loop(kind, ranges, settings, assets.by_kind[kind], draw.at(kind))
        for kind, ranges in recipe.loops.items()
        if _is_present(ranges.presence, draw.at(kind))
    )
    return PairSpec(
        recipe=recipe.name,
        output_version=OUTPUT_VERSION,
        address=pair_id,
        settings=settings,
        drums=tuple(drums),
        loops=tuple(loops),
        master=compose_chain(recipe.master, draw.at("master")),
        groove=None if composed is None else composed.groove,
    )


BANDS = ("low", "high")
"""The bands of a one-shot that a crossover divides between two sounds, in the order of its layers."""
BAND_WEIGHT = 0.5
"""The gain of each band. They are equal, so that two bands of one sound would be that sound."""


def compose_drum(
    kind: str,
    ranges: DrumRanges,
    recipe: Recipe,
    assets: tuple[Asset, ...],
    draw: Draw,
    *,
    notes: tuple[Note, ...] | None = None,
) -> DrumTrack:
    """Draw the layers and effects of a drum, and its notes unless they are given."""
    return DrumTrack(
        kind=kind,
        target=ranges.target,
        layers=compose_layers(recipe.one_shots, assets, draw.at("layers")),
        notes=compose_notes(ranges, recipe, draw.at("notes")) if notes is None else notes,
        inserts=compose_chain(ranges.inserts, draw.at("inserts")),
        sends=compose_sends(ranges.sends, draw.at("sends")),
        one_shot=compose_chain(recipe.one_shots.effects, draw.at("one-shot")),
    )


def compose_layers(one_shots: OneShots, assets: tuple[Asset, ...], draw: Draw) -> tuple[Layer, ...]:
    """Draw the sounds of a one-shot: a single sound, one sound per band, or one per gain of the drawn row."""
    semitones, bands = one_shots.semitones, compose_bands(one_shots.layering, draw)
    weights = (BAND_WEIGHT,) * len(bands) if bands else compose_weights(one_shots.layering, draw)
    chosen = draw.at("assets").distinct(len(weights), len(assets))
    # `distinct` returns ascending positions, so the order of loudness needs its own draw.
    layers = [assets[chosen[position]] for position in draw.at("order").order(len(chosen))]
    return tuple(
        Layer(
            asset=asset.id,
            sha256=asset.sha256,
            weight=weight,
            semitones=semitones.sample(draw.at("semitones", number)) if semitones else 0.0,
            effects=bands[number : number + 1],
        )
        for number, (asset, weight) in enumerate(zip(layers, weights, strict=True))
    )


def compose_weights(layering: Layering, draw: Draw) -> tuple[float, ...]:
    """Draw the gains of the layers of a one-shot: 1 for a single sound."""
    return (1.0,) if draw.at("none").chance(layering.none) else draw.at("weights").pick(layering.weights)


def compose_bands(layering: Layering, draw: Draw) -> tuple[Crossover, ...]:
    """Draw the two bands of a one-shot, which meet at one frequency; none if it is a single sound or has weights."""
    crossover, stream = layering.crossover, draw.at("crossover")
    if crossover is None or draw.at("none").chance(layering.none):
        return ()
    if not stream.at("present").chance(crossover.probability):
        return ()
    hz = crossover.hz.sample(stream.at("hz"))
    return tuple(Crossover(passes=band, hz=hz) for band in BANDS)


def compose_notes(ranges: DrumRanges, recipe: Recipe, draw: Draw) -> tuple[Note, ...]:
    """Draw the hits of a drum at different points of the grid, or at different steps; all sets are equally likely."""
    grid = recipe.grid
    steps = (recipe.patterns.steps if isinstance(recipe.patterns, RandomPatterns) else None) or grid
    chosen = draw.at("ticks").distinct(ranges.hits.sample(draw.at("hits")), steps)
    velocity = draw.at("velocity")
    notes = [
        Note(tick=step * grid // steps, velocity=round(ranges.velocity.sample(velocity.at(number))))
        for number, step in enumerate(chosen)
    ]
    if ranges.humanise:
        ticks_per_ms = grid / (recipe.seconds * 1000)
        notes = humanise_notes(notes, ranges.humanise, grid, ticks_per_ms, draw.at("humanise"))
    return tuple(notes)


def humanise_notes(notes: list[Note], ranges: Humanise, grid: int, ticks_per_ms: float, draw: Draw) -> list[Note]:
    """Move each hit, and change its velocity. Hits stay on the grid, and keep their order and their number."""
    moved = []
    for number, note in enumerate(notes):
        shift = ranges.timing_ms.sample(draw.at("timing_ms", number)) * ticks_per_ms
        velocity = note.velocity + ranges.velocity.sample(draw.at("velocity", number))
        moved.append((math.floor(note.tick + shift + 0.5), min(max(round(velocity), 1), 127)))
    humanised = []
    least = 0
    for number, (tick, velocity) in enumerate(sorted(moved)):
        # A point for this hit after the one before, and points left for those that follow.
        point = min(max(tick, least), grid - len(moved) + number)
        humanised.append(Note(tick=point, velocity=velocity))
        least = point + 1
    return humanised


def compose_loop(kind: str, ranges: LoopRanges, settings: Settings, assets: tuple[Asset, ...], draw: Draw) -> LoopTrack:
    """Draw the sound, pitch, length and effects of a backing loop."""
    asset = draw.at("asset").pick(assets)
    return LoopTrack(
        kind=kind,
        asset=asset.id,
        sha256=asset.sha256,
        semitones=ranges.semitones.sample(draw.at("semitones")),
        period_frames=round(ranges.seconds.sample(draw.at("seconds")) * settings.sample_rate),
        inserts=compose_chain(ranges.inserts, draw.at("inserts")),
        sends=compose_sends(ranges.sends, draw.at("sends")),
    )


def _is_present(probability: float, draw: Draw) -> bool:
    return probability >= 1 or draw.at("present").chance(probability)
