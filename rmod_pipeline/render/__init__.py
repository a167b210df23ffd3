"""PairSpec -> Pair: drum loops, backing loops, mix, master. Draws nothing."""

from rmod_pipeline.render.measure import Measured
from rmod_pipeline.render.pair import Pair, render_pair
from rmod_pipeline.render.pitch import PitchCache
from rmod_pipeline.render.sounds import Sounds

__all__ = ["Measured", "Pair", "PitchCache", "Sounds", "render_pair"]
