"""A library in memory, and specs composed from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from rmod_pipeline.compose import SplitAssets, compose_pair, make_settings
from rmod_pipeline.library.asset import Asset, Library
from rmod_pipeline.recipe import Recipe, find_recipe, load_recipe
from rmod_pipeline.spec import PairId, PairSpec
from tests.tiny_grooves import shared_grooves

COUNTS: Mapping[str, int] = {"kick": 40, "snare": 30, "hihat": 20, "bass": 12, "piano": 10, "guitar": 9, "vocal": 8}
"""Number of sounds of each kind in each split."""

SPLITS = ("train", "valid", "test")


def asset(kind: str, split: str, number: int) -> Asset:
    """Return an asset without a file."""
    name = f"{kind}/{split}/{number:04d}"
    return Asset(
        id=name,
        path=f"{name}.wav",
        kind=kind,
        kit=f"{split}-{number % 5}",
        group=f"{split}-{number % 5}",
        split=split,
        licence="CC0-1.0",
        source="nowhere",
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        sample_rate=44_100,
        channels=1,
        frames=44_100,
        peak_dbfs=0.0,
        rms_dbfs=-12.0,
    )


def library_of(counts: Mapping[str, int]) -> Library:
    """Return a library with the given number of sounds of each kind in each split."""
    assets = [asset(kind, split, number) for split in SPLITS for kind in counts for number in range(counts[kind])]
    assets.sort(key=lambda item: item.id)
    return Library(assets=tuple(assets), root=Path("nowhere"), manifest=Path("nowhere.csv"), digest="0" * 64)


LIBRARY = library_of(COUNTS)

IDS = {kind: tuple(asset.id for asset in LIBRARY.select(kind, "train")) for kind in LIBRARY.kinds()}
"""The ids of the training sounds of each kind."""


def shipped_recipe(name: str) -> Recipe:
    """Return a recipe that comes with rmod."""
    return load_recipe(find_recipe(name))


class Composer:
    """Composes the specs of a recipe from the library in memory."""

    def __init__(self, recipe: Recipe, library: Library = LIBRARY) -> None:
        self.recipe = recipe
        self.settings = make_settings(recipe, "pedalboard")
        grooves = shared_grooves() if recipe.grooves else None
        self.assets = {split: SplitAssets.of(recipe, library, split, grooves) for split in SPLITS}

    def at(self, index: int, split: str = "train", seed: int = 0, attempt: int = 0) -> PairSpec:
        pair_id = PairId(seed=seed, split=split, index=index, attempt=attempt)
        return compose_pair(self.recipe, self.assets[split], self.settings, pair_id)
