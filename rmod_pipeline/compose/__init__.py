"""Compose pairs: recipe + library + grooves + pair id -> PairSpec. Reads no audio."""

from rmod_pipeline.compose.pair import compose_pair
from rmod_pipeline.compose.split_assets import (
    SplitAssets,
    check_enough_sounds,
    list_silent_hits,
    make_settings,
    open_recipe_grooves,
)

__all__ = [
    "SplitAssets",
    "check_enough_sounds",
    "compose_pair",
    "list_silent_hits",
    "make_settings",
    "open_recipe_grooves",
]
