"""Compose pairs: recipe + library + pair id -> PairSpec. Reads no audio."""

from rmod_pipeline.compose.pair import compose_pair
from rmod_pipeline.compose.split_assets import SplitAssets, make_settings

__all__ = ["SplitAssets", "compose_pair", "make_settings"]
