"""Specs that several tests look at: composed once a run."""

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
    """The first pairs of rmod's training set."""
    return [rmod.at(index) for index in range(PAIRS)]


@pytest.fixture(scope="session")
def drawn(rmod: Composer, many: list[PairSpec]) -> Columns:
    """Every value that is drawn in these pairs, by its name, with its law."""
    return columns(rmod.recipe, many, IDS)
