"""Batches: they depend on seed and step alone, and validation reads every pair once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rmod_pipeline.errors import RmodError
from rmod_pipeline.training.dose.data import open_data
from rmod_pipeline.training.dose.examples import Collate, TrainingExample
from rmod_pipeline.training.dose.loaders import TrainLoader, ValidationLoader
from rmod_pipeline.training.loop.examples import LoaderError, raise_loader_errors
from rmod_pipeline.training.loop.loaders import LoaderSettings
from tests.training.training_examples import make_recipe


def read_batches(out: Path, step: int, changes: dict[str, Any] | None = None, **settings: Any) -> list[Any]:
    recipe = make_recipe(**(changes or {}))
    data = open_data(out, None, recipe, recipe.instruments)
    return list(TrainLoader(data, recipe, recipe.instruments, LoaderSettings(**settings), lambda: step))


def get_keys(batches: list[Any]) -> list[list[str]]:
    return [batch.keys for batch in batches]


def test_batches_depend_on_seed_and_step_only(tiny_tokens: Path) -> None:
    first = get_keys(read_batches(tiny_tokens, 0))
    assert [len(keys) for keys in first] == [4, 4]
    assert get_keys(read_batches(tiny_tokens, 0)) == first
    assert get_keys(read_batches(tiny_tokens, 2)) != first
    assert get_keys(read_batches(tiny_tokens, 0, {"seed": 1})) != first
    assert len(read_batches(tiny_tokens, 4, {"schedule": {"steps": 5}})) == 1, (
        "the last interval has the remaining steps"
    )
    ranks = [get_keys(read_batches(tiny_tokens, 0, rank=rank, world_size=2)) for rank in range(2)]
    assert [[len(keys) for keys in rank] for rank in ranks] == [[2, 2], [2, 2]]
    assert ranks[0] != ranks[1]


@pytest.mark.slow
def test_an_interval_is_the_same_in_persistent_workers(tiny_tokens: Path) -> None:
    recipe = make_recipe()
    data = open_data(tiny_tokens, None, recipe, recipe.instruments)
    step = [0]
    loader = TrainLoader(data, recipe, recipe.instruments, LoaderSettings(workers=2), lambda: step[0])
    read = []
    for step[0] in (0, 2, 0):
        iterator = iter(loader)
        next(iterator)  # an interval that is started and abandoned, as lightning may do
        read.append(get_keys(list(loader)))
    assert read[0] == read[2] != read[1]


def test_validation_reads_every_pair_once_with_every_instrument(tiny_tokens: Path) -> None:
    recipe = make_recipe(instruments=["kick", "snare"], one_model=True, schedule={"batch": 6})
    data = open_data(tiny_tokens, None, recipe, recipe.instruments)
    ranks = []
    for rank in range(2):
        read = list(ValidationLoader(data, recipe, recipe.instruments, LoaderSettings(rank=rank, world_size=2)))
        ranks.append(
            [
                (key, int(instrument))
                for batch in read
                for key, instrument in zip(batch.keys, batch.instruments, strict=True)
            ]
        )
    assert sorted(ranks[0] + ranks[1]) == [
        (f"valid-0000000{pair}", instrument) for pair in (0, 1) for instrument in (0, 1)
    ]
    assert len(ranks[0]) == len(ranks[1])


def test_instruments_are_interleaved_and_short_windows_are_padded(tiny_tokens: Path) -> None:
    changes = {"instruments": ["kick", "snare"], "one_model": True}
    (batch, _) = read_batches(tiny_tokens, 0, changes)
    assert batch.instruments.tolist() == [0, 1, 0, 1]
    assert batch.lengths.tolist() == [9, 9, 9, 9]
    assert batch.select(1).keys == batch.keys[1::2]
    items = [
        TrainingExample("a", batch.mixtures[0].numpy(), batch.targets[0, :, :frames].numpy(), 9, 0)
        for frames in (90, 40)
    ]
    collated = Collate(90)(items)
    assert not isinstance(collated, LoaderError)
    assert (collated.targets[1, :, 40:] == -1).all()
    assert (collated.targets[0] >= 0).all()


def test_a_worker_error_is_raised_as_it_was() -> None:
    with pytest.raises(RmodError, match=r"tar: broken\n.*mend it"):
        list(raise_loader_errors([LoaderError("tar", "broken", "mend it")]))
