"""Write the data card of a release: a page in Markdown, filled with measured facts alone, and its plots.

template + request + facts -> text, before anything is written -> README.md and card/*.png
"""

from rmod_pipeline.releases.card.plots import draw_plots
from rmod_pipeline.releases.card.text import CARD, render_card, write_card

__all__ = ["CARD", "draw_plots", "render_card", "write_card"]
