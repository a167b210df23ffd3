"""Load batches for training and for validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.shards.members import MIX
from rmod_pipeline.training.dose.data import TokenData
from rmod_pipeline.training.dose.examples import AllInstruments, Collate, InterleavedInstruments
from rmod_pipeline.training.dose.pairs import load_pairs
from rmod_pipeline.training.loop.data import TRAIN, VALID, count_pairs
from rmod_pipeline.training.loop.examples import ExampleStream
from rmod_pipeline.training.loop.loaders import (
    SHUFFLE_BUFFER,
    BatchLoader,
    IntervalLoader,
    LoaderSettings,
    batch_per_rank,
)


class TrainLoader(IntervalLoader):
    """The batches of training: endless, with one instrument of each pair."""

    def __init__(
        self,
        data: TokenData,
        recipe: DoseRecipe,
        instruments: Sequence[str],
        settings: LoaderSettings,
        current_step: Callable[[], int],
    ) -> None:
        pairs = load_pairs(
            data,
            TRAIN,
            [MIX, *instruments],
            shuffle=min(SHUFFLE_BUFFER, count_pairs(data.out)[TRAIN]),
            seed=recipe.seed,
            resampled=True,
            rank=settings.rank,
            world_size=settings.world_size,
        )
        examples = ExampleStream(pairs, InterleavedInstruments(tuple(instruments)))
        longest = max(map(recipe.frames, instruments))
        batch = batch_per_rank(recipe, settings.world_size)
        loader = settings.make_loader(examples, batch, Collate(longest))
        super().__init__(pairs, loader, recipe.schedule, current_step)


class ValidationLoader(BatchLoader):
    """The batches of validation: every pair once, with every instrument, on one of the ranks."""

    def __init__(
        self, data: TokenData, recipe: DoseRecipe, instruments: Sequence[str], settings: LoaderSettings
    ) -> None:
        sounds = [MIX, *instruments]
        pairs = load_pairs(data, VALID, sounds, rank=settings.rank, world_size=settings.world_size)
        examples = ExampleStream(pairs, AllInstruments(tuple(instruments)))
        longest = max(map(recipe.frames, instruments))
        batch = batch_per_rank(recipe, settings.world_size)
        super().__init__(settings.make_loader(examples, batch, Collate(longest)))
