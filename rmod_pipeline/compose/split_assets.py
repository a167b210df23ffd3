"""Select the sounds that one split of a build may use, and derive the settings that all pairs share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.splits import check_splits
from rmod_pipeline.patterns.manifest import Grooves, load_grooves
from rmod_pipeline.patterns.windows import SplitGrooves
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.spec import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitAssets:
    """The assets of one split by kind, each sorted by id, and its grooves if the recipe plays some."""

    split: str
    by_kind: Mapping[str, tuple[Asset, ...]]
    """An optional drum that has too few sounds is not there."""
    grooves: SplitGrooves | None = None

    @classmethod
    def of(cls, recipe: Recipe, library: Library, split: str, grooves: Grooves | None = None) -> SplitAssets:
        """Select the assets of a split, and its grooves: those given, or those that the recipe names.

        Raises LibraryError if the split lacks a kind, has too few one-shots to layer, or has no groove for the recipe,
        and UsageError if the recipe plays grooves and names none.
        """
        check_enough_sounds(recipe, library, (split,))
        lacking = find_silent_drums(recipe, library, split)
        by_kind: dict[str, tuple[Asset, ...]] = {}
        for kind, sounds in recipe.drum_sounds.items():
            if kind not in lacking:
                assets = (asset for sound in dict.fromkeys(sounds) for asset in library.select(sound, split))
                by_kind[kind] = tuple(sorted(assets, key=lambda asset: asset.id))
        by_kind |= {kind: library.select(kind, split) for kind in recipe.loops}
        opened = open_recipe_grooves(recipe, grooves)
        of_split = None if opened is None else open_split_grooves(recipe, opened, split)
        return cls(split=split, by_kind=by_kind, grooves=of_split)


def open_recipe_grooves(recipe: Recipe, grooves: Grooves | None = None) -> Grooves | None:
    """Return the grooves that a recipe plays: those given, else those that it names; None if it plays random hits.

    Raises UsageError if it names none, and the errors of ``load_grooves``.
    """
    if recipe.grooves is None or grooves is not None:
        return grooves if recipe.grooves else None
    if recipe.grooves.manifest is None:
        found = f"the recipe {recipe.name} plays grooves and names none"
        hint = "give the CSV that `rmod patterns scan DIR --out NAME.csv` wrote, or write patterns.manifest in a recipe"
        raise UsageError("--grooves", found, hint)
    return load_grooves(recipe.grooves.manifest)


def open_split_grooves(recipe: Recipe, grooves: Grooves, split: str) -> SplitGrooves:
    """Return the grooves of a split that a recipe can play. Raises LibraryError if there are none."""
    return SplitGrooves(grooves, split, Fraction(recipe.frames, recipe.sample_rate), recipe.targets)


def check_enough_sounds(recipe: Recipe, library: Library, splits: Collection[str]) -> None:
    """Raise LibraryError unless each split has enough sounds for every loop and every drum that is not optional."""
    needed = {kind: sounds for kind, sounds in recipe.drum_sounds.items() if not recipe.drums[kind].optional}
    check_splits(library, recipe.loops, splits)
    check_splits(library, needed, splits, at_least=recipe.one_shots.layering.most, sounds=needed)


def find_silent_drums(recipe: Recipe, library: Library, split: str) -> list[str]:
    """Return the optional drums of which a split has too few sounds, so that its pairs do without them."""
    counts = Counter(asset.kind for asset in library.assets if asset.split == split)
    least = recipe.one_shots.layering.most
    return [
        kind
        for kind, sounds in recipe.drum_sounds.items()
        if recipe.drums[kind].optional and sum(counts[sound] for sound in set(sounds)) < least
    ]


def list_silent_hits(recipe: Recipe, library: Library, splits: Iterable[str], grooves: Grooves | None) -> Iterator[str]:
    """Yield a line for each group of drums that do not sound in some splits, and for hits that no drum plays.

    Of a recipe that plays grooves, only drums that are hit are named. Raises LibraryError for a split without grooves.
    """
    silent: dict[tuple[str, ...], list[str]] = {}
    unplayed: set[str] = set()
    for split in splits:
        kinds = find_silent_drums(recipe, library, split)
        if grooves is not None:
            entries = open_split_grooves(recipe, grooves, split).entries
            hit = {kind for entry in entries for kind in entry.counts()}
            kinds = [kind for kind in kinds if kind in hit]
            unplayed |= hit - recipe.drums.keys()
        if kinds:
            silent.setdefault(tuple(kinds), []).append(split)
    for names, of_splits in silent.items():
        yield f"the library has too few sounds of {', '.join(names)} in {', '.join(of_splits)}: they do not sound there"
    if unplayed:
        yield f"the recipe has no drum for the hits of {', '.join(sorted(unplayed))}: they do not sound"


def make_settings(recipe: Recipe, engine: str) -> Settings:
    """Return the settings that all pairs of a recipe share, with times converted to frames."""

    def frames(seconds: float) -> int:
        return round(seconds * recipe.sample_rate)

    return Settings(
        engine=engine,
        sample_rate=recipe.sample_rate,
        frames=recipe.frames,
        grid=recipe.grid,
        one_shot_frames=frames(recipe.one_shots.max_seconds),
        one_shot_fade_frames=frames(recipe.one_shots.fade_ms / 1000),
        truncation_fade_frames=frames(recipe.one_shots.truncation_fade_ms / 1000),
        loop_frames=frames(recipe.loop_max_seconds),
        loop_fade_frames=frames(recipe.loop_fade_ms / 1000),
        velocity_exponent=recipe.patterns.velocity_exponent,
    )
