"""Load batches of features for training and for validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rmod_pipeline.ear.recipe import EarRecipe
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.stream import PairStream
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.training.ear.data import FeatureData
from rmod_pipeline.training.ear.examples import ExampleMaker, collate
from rmod_pipeline.training.loop.data import TRAIN, VALID, count_pairs
from rmod_pipeline.training.loop.examples import ExampleStream
from rmod_pipeline.training.loop.loaders import (
    SHUFFLE_BUFFER,
    BatchLoader,
    IntervalLoader,
    LoaderSettings,
    batch_per_rank,
)


class EarTrainLoader(IntervalLoader):
    """The batches of training: endless."""

    def __init__(
        self, data: FeatureData, recipe: EarRecipe, settings: LoaderSettings, current_step: Callable[[], int]
    ) -> None:
        pairs = _load(
            data,
            TRAIN,
            recipe,
            settings,
            shuffle=min(SHUFFLE_BUFFER, count_pairs(data.out)[TRAIN]),
            seed=recipe.seed,
            resampled=True,
        )
        loader = settings.make_loader(_examples(pairs, recipe), batch_per_rank(recipe, settings.world_size), collate)
        super().__init__(pairs, loader, recipe.schedule, current_step)


class EarValidationLoader(BatchLoader):
    """The batches of validation: every pair once, on one of the ranks."""

    def __init__(self, data: FeatureData, recipe: EarRecipe, settings: LoaderSettings) -> None:
        pairs = _load(data, VALID, recipe, settings)
        batch = batch_per_rank(recipe, settings.world_size)
        super().__init__(settings.make_loader(_examples(pairs, recipe), batch, collate))


def _load(data: FeatureData, split: str, recipe: EarRecipe, settings: LoaderSettings, **options: Any) -> PairStream:
    """Return the features of this rank's share of a split."""
    return load_features(
        data.out,
        split,
        features=data.family.name,
        sounds=[MIX, *recipe.instruments],
        rank=settings.rank,
        world_size=settings.world_size,
        **options,
    )


def _examples(pairs: PairStream, recipe: EarRecipe) -> ExampleStream:
    return ExampleStream(pairs, ExampleMaker.of(recipe))
