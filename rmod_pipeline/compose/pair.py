"""Compose one pair: every choice, from the recipe's ranges and named draws. DOSE paper, section IV."""

from __future__ import annotations

from rmod_pipeline import OUTPUT_VERSION
from rmod_pipeline.compose.chain import compose_chain, compose_sends
from rmod_pipeline.compose.split_assets import SplitAssets
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.asset import Asset
from rmod_pipeline.recipe import DrumRanges, LoopRanges, Recipe
from rmod_pipeline.recipe.schema import OneShots
from rmod_pipeline.spec import DrumTrack, Layer, LoopTrack, Note, PairId, PairSpec, Settings


def compose_pair(recipe: Recipe, palette: SplitAssets, settings: Settings, address: PairId) -> PairSpec:
    """Return the spec of the pair at an address: a pure function, the same on every machine."""
    draw = Draw.of(address.seed, address.split, address.index, address.attempt)
    drums = (
        compose_drum(kind, ranges, recipe, palette.by_kind[kind], own)
        for kind, ranges in recipe.drums.items()
        for own in (draw.at(kind),)
        if _present(ranges.presence, own)
    )
    loops = (
        compose_loop(kind, ranges, settings, palette.by_kind[kind], own)
        for kind, ranges in recipe.loops.items()
        for own in (draw.at(kind),)
        if _present(ranges.presence, own)
    )
    return PairSpec(
        recipe=recipe.name,
        output_version=OUTPUT_VERSION,
        address=address,
        settings=settings,
        drums=tuple(drums),
        loops=tuple(loops),
        master=compose_chain(recipe.master, draw.at("master")),
    )


def compose_drum(kind: str, ranges: DrumRanges, recipe: Recipe, assets: tuple[Asset, ...], draw: Draw) -> DrumTrack:
    """Draw a drum's layers, notes and effects."""
    return DrumTrack(
        kind=kind,
        target=ranges.target,
        layers=compose_layers(recipe.one_shots, assets, draw.at("layers")),
        notes=compose_notes(ranges, recipe.grid, draw.at("notes")),
        inserts=compose_chain(ranges.inserts, draw.at("inserts")),
        sends=compose_sends(ranges.sends, draw.at("sends")),
        one_shot=compose_chain(recipe.one_shots.effects, draw.at("one-shot")),
    )


def compose_layers(one_shots: OneShots, assets: tuple[Asset, ...], draw: Draw) -> tuple[Layer, ...]:
    """Draw the sounds of a one-shot: one alone, or as many different ones as a row of weights has gains."""
    layering, semitones = one_shots.layering, one_shots.semitones
    weights = (1.0,) if draw.at("none").chance(layering.none) else draw.at("weights").pick(layering.weights)
    chosen = draw.at("assets").distinct(len(weights), len(assets))
    # `distinct` is ascending; which of the sounds is the loud one is a draw of its own.
    places = [chosen[place] for place in draw.at("order").order(len(chosen))]
    return tuple(
        Layer(
            asset=assets[place].id,
            sha256=assets[place].sha256,
            weight=weight,
            semitones=semitones.at(draw.at("semitones", number)) if semitones else 0.0,
        )
        for number, (place, weight) in enumerate(zip(places, weights, strict=True))
    )


def compose_notes(ranges: DrumRanges, grid: int, draw: Draw) -> tuple[Note, ...]:
    """Draw a drum's hits: different points of the grid, every set of them with equal chance."""
    ticks = draw.at("ticks").distinct(ranges.hits.at(draw.at("hits")), grid)
    velocity = draw.at("velocity")
    return tuple(
        Note(tick=tick, velocity=round(ranges.velocity.at(velocity.at(place)))) for place, tick in enumerate(ticks)
    )


def compose_loop(kind: str, ranges: LoopRanges, settings: Settings, assets: tuple[Asset, ...], draw: Draw) -> LoopTrack:
    """Draw a backing loop, its pitch, its length and its effects."""
    asset = draw.at("asset").pick(assets)
    return LoopTrack(
        kind=kind,
        asset=asset.id,
        sha256=asset.sha256,
        semitones=ranges.semitones.at(draw.at("semitones")),
        period_frames=round(ranges.seconds.at(draw.at("seconds")) * settings.sample_rate),
        inserts=compose_chain(ranges.inserts, draw.at("inserts")),
        sends=compose_sends(ranges.sends, draw.at("sends")),
    )


def _present(probability: float, draw: Draw) -> bool:
    return probability >= 1 or draw.at("present").chance(probability)
