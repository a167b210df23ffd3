"""Recipe + library + address -> PairSpec. Reads no audio: a million specs can be looked at in seconds."""

from rmod_pipeline.compose.pair import compose_pair
from rmod_pipeline.compose.split_assets import SplitAssets, settings_for

__all__ = ["SplitAssets", "compose_pair", "settings_for"]
