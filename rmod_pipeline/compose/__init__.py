"""Recipe + library + address -> PairSpec. Reads no audio: a million specs can be looked at in seconds."""

from rmod_pipeline.compose.pair import compose_pair
from rmod_pipeline.compose.palette import Palette, settings_for

__all__ = ["Palette", "compose_pair", "settings_for"]
