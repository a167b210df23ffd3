"""The type of the fixture `opened`: the extractors of a folder of models, and their codec."""

from __future__ import annotations

from rmod_pipeline.codec import Codec
from rmod_pipeline.extraction.extractor import Extractor

Opened = tuple[list[Extractor], Codec]
