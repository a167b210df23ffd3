"""Render pairs: PairSpec -> drum loops, backing loops, mix, master -> Pair. Draws no random number."""

from rmod_pipeline.render.measure import PairLevels
from rmod_pipeline.render.pair import Pair, render_pair, render_pairs
from rmod_pipeline.render.prepared import PreparedCache
from rmod_pipeline.render.sounds import Sounds

__all__ = ["Pair", "PairLevels", "PreparedCache", "Sounds", "render_pair", "render_pairs"]
