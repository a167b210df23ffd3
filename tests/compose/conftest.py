"""Specs that several tests use, composed once per run."""

from __future__ import annotations

import pytest

from rmod_pipeline.spec import PairSpec
from tests.compose.agreement import Columns, columns
from tests.compose.compose_examples import IDS, Composer, shipped_recipe

PAIRS = 5000


@pytest.fixture(scope="session")
def rmod() -> Composer:
    return Composer(shipped_recipe("rmod"))


@pytest.fixture(scope="session")
def many(rmod: Composer) -> list[PairSpec]:
    """The first pairs of the training split of the recipe rmod."""
    return [rmod.at(index) for index in range(PAIRS)]


@pytest.fixture(scope="session")
def drawn(rmod: Composer, many: list[PairSpec]) -> Columns:
    """All drawn values of these pairs, with their distributions."""
    return columns(rmod.recipe, many, IDS)
