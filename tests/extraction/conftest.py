"""Fixtures for the tests of extraction: opened models, and one extraction that several tests examine."""

from __future__ import annotations

import pytest

from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.extractor import open_extractors
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
from tests.tiny_dose import AT, RATE, World


@pytest.fixture(scope="session")
def opened(by_heart: World) -> Answerers:
    """Models of kick, snare and hihat, and their codec; no ear."""
    return Answerers.of_models(*open_extractors(by_heart.folder, codec=str(by_heart.weights), device="cpu"))


@pytest.fixture(scope="session")
def extraction(by_heart: World, opened: Answerers) -> Extraction:
    """The extraction of the windows that the models know by heart, unpolished."""
    return extract_array(by_heart.song, RATE, opened, ExtractionConfig(at=AT, tries=3, trim=False, normalize=False))
