"""Select the sounds that one split of a build may use, and derive the settings that all pairs share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.library.splits import check_splits
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.spec import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitAssets:
    """The assets of one split by kind, each sorted by id."""

    split: str
    by_kind: Mapping[str, tuple[Asset, ...]]

    @classmethod
    def of(cls, recipe: Recipe, library: Library, split: str) -> SplitAssets:
        """Select the assets of a split. Raises LibraryError if it lacks a kind or has too few one-shots to layer."""
        check_splits(library, recipe.loops, (split,))
        check_splits(library, recipe.drums, (split,), at_least=recipe.one_shots.layering.most)
        by_kind = {kind: library.select(kind, split) for kind in recipe.kinds}
        return cls(split=split, by_kind=by_kind)


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
    )
